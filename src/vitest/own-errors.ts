/** A test's own errors: which of them say no more than that a refused call was refused. */
import { resolve } from 'node:path'
import type { Violation } from './violations.js'

const REFUSED: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'ENOENT'])

/** An error of Node's own about this path and nothing else. Ours says the same, and more. */
export function isRefusalOf(error: unknown, { asked, resource, access }: Violation): boolean {
  if (!(error instanceof Object) || access === 'connect' || access === 'listen') return false
  if (!('code' in error && 'path' in error && 'syscall' in error && 'message' in error)) return false
  const { code, path, message } = error
  if (!REFUSED.has(code) || typeof path !== 'string' || typeof message !== 'string') return false
  // Somebody may have given it a message of their own.
  const isPlain = message.startsWith(`${String(code)}: `) && message.includes(`'${path}'`)
  // The worker's working directory is the one that Vitest started it in, unless it moved: then both errors stay.
  return isPlain && [asked, resource].includes(resolve(path))
}

/** The frames of an error's stack. */
export function framesOf(error: unknown): string {
  const stack = error instanceof Object && 'stack' in error && typeof error.stack === 'string' ? error.stack : ''
  return frames(stack)
}

const MOST_FRAMES = 30
const LONGEST = 500

/** Only what V8 writes as frames, in a bounded amount: a stack comes from the worker. */
export function frames(stack: string): string {
  // oxlint-disable-next-line no-control-regex -- they must not reach a terminal
  const lines = stack.split('\n').filter((line) => /^\s+at \S/.test(line) && line.length <= LONGEST && !/[\x00-\x08\x0b-\x1f\x7f]/.test(line))
  return lines.slice(0, MOST_FRAMES).join('\n')
}
