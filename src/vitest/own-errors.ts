/** Finds the errors of a test that only repeat the refusal of a call. */
import { basename, resolve } from 'node:path'
import { packageDir } from '../project/root.js'
import type { Violation } from './violations.js'

const REFUSED: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'ENOENT'])

const MOST_WRAPPED = 10

/**
 * The errors inside a wrapper. The error that fetch throws, and the one that Node throws for a name with several
 * addresses, say nothing by themselves: lib/internal/deps/undici/undici.js, lib/net.js.
 */
export function unwrapped(error: unknown): readonly unknown[] {
  if (!(error instanceof Object)) return [error]
  const { name, message, cause, errors } = wrapperOf(error)
  if (name === 'TypeError' && message === 'fetch failed' && cause !== undefined) return unwrapped(cause)
  const isMany = name === 'AggregateError' && message === '' && Array.isArray(errors) && errors.length > 0
  return isMany && errors.length <= MOST_WRAPPED ? errors : [error]
}

function wrapperOf(error: object): Record<'name' | 'message' | 'cause' | 'errors', unknown> {
  const field = (name: string): unknown => Reflect.get(error, name)
  return { name: field('name'), message: field('message'), cause: field('cause'), errors: field('errors') }
}

/**
 * True if Node itself made the error for the path, program or address of this violation. The violation's text then says
 * the same and more.
 */
export function isRefusalOf(error: unknown, violation: Violation): boolean {
  if (!(error instanceof Object)) return false
  const { code, syscall, message } = fieldsOf(error)
  if (violation.access === 'acquire') return isOfResource(error, violation)
  if (syscall === 'getaddrinfo') return isOfLookup(error, violation)
  if (code === 'ERR_DLOPEN_FAILED') return isOfLibrary(message, violation)
  // The code under test may have changed the message. Then both errors are shown.
  if (!REFUSED.has(code) || typeof message !== 'string' || typeof syscall !== 'string') return false
  const told = { ...fieldsOf(error), code: String(code), syscall, message }
  if (violation.access === 'connect' || violation.access === 'listen') return isOfAddress(told, violation)
  return violation.access === 'execute' ? isOfProgram(told, violation) : isOfPath(told, violation)
}

interface Told {
  readonly code: string
  readonly syscall: string
  readonly message: string
  readonly path: unknown
  readonly address: unknown
  readonly port: unknown
}

function fieldsOf(error: object): Record<'code' | 'syscall' | 'message' | 'path' | 'address' | 'port', unknown> {
  const field = (name: string): unknown => Reflect.get(error, name)
  return {
    code: field('code'),
    syscall: field('syscall'),
    message: field('message'),
    path: field('path'),
    address: field('address'),
    port: field('port'),
  }
}

function isOfPath({ code, syscall, message, path }: Told, { access, asked, resource }: Violation): boolean {
  // Relative paths are resolved against the working directory that Vitest started the worker in. If the worker has
  // changed it, both errors are shown.
  return (
    typeof path === 'string' &&
    message.startsWith(`${code}: `) &&
    message.includes(`'${path}'`) &&
    ([asked, resource].includes(resolve(path)) ||
      // With `recursive`, Node begins with the topmost missing directory, but its error names the last.
      (syscall === 'mkdir' && access === 'write' && resolve(path).startsWith(`${resource}/`)))
  )
}

/** `spawn git EACCES`: the name of a program that was looked for along PATH. */
function isOfProgram({ code, syscall, message, path }: Told, { asked, resource, starts }: Violation): boolean {
  const isSpawn = syscall.startsWith('spawn') && message === `${syscall} ${code}`
  return (
    isSpawn &&
    typeof path === 'string' &&
    [asked, resource, starts].some((one) => one !== undefined && (one === resolve(path) || basename(one) === path))
  )
}

/**
 * `connect EACCES 127.0.0.1:80`, `listen EACCES: permission denied 127.0.0.1:80`; without a port if there is none or if
 * it is 0.
 */
function isOfAddress({ code, syscall, message, address, port }: Told, { resource }: Violation): boolean {
  if (!message.startsWith(`${syscall} ${code}`) || typeof address !== 'string') return false
  const number = typeof port === 'number' ? port : 0
  const shown = address.startsWith('\0') ? `unix:@${address.slice(1)}` : `unix:${address}`
  // If no address is given, Node first tries [::] and then 0.0.0.0.
  const hosts = [address, `[${address}]`, ...(address === '0.0.0.0' && syscall === 'listen' ? ['[::]'] : [])]
  return [shown, ...hosts.flatMap((host) => [`tcp:${host}:${number}`, `udp:${host}:${number}`])].includes(resource)
}

/** An error of dlopen(3) for the library itself. An error for a library that it depends on names that one. */
function isOfLibrary(message: unknown, { access, asked, resource }: Violation): boolean {
  const why = ['Permission denied', 'No such file or directory']
  return (
    access === 'read' &&
    [asked, resource].some((path) => why.some((one) => message === `${path}: cannot open shared object file: ${one}`))
  )
}

/** `getaddrinfo EAI_AGAIN example.com`: libc's answer if no name server can be reached. */
function isOfLookup(error: object, { access, resource }: Violation): boolean {
  const host: unknown = Reflect.get(error, 'hostname')
  const { code, message } = fieldsOf(error)
  return (
    access === 'connect' &&
    typeof host === 'string' &&
    resource.startsWith(`tcp:${host}:`) &&
    message === `getaddrinfo ${String(code)} ${host}`
  )
}

/** The error of acquire(). The violation says the same, and what to write. */
function isOfResource(error: object, { resource }: Violation): boolean {
  const { name, message } = wrapperOf(error)
  return (
    name === 'AcquireError' &&
    typeof message === 'string' &&
    message.startsWith(`this test file has no resource '${resource}': `)
  )
}

/** The frames of an error's stack. */
export function framesOf(error: unknown): string {
  const stack = error instanceof Object && 'stack' in error && typeof error.stack === 'string' ? error.stack : ''
  return frames(stack)
    .split('\n')
    .filter((line) => !line.includes(`${packageDir}/`))
    .join('\n')
}

/** True if a frame belongs to the user's code and not to Node's. */
export function isInCode(stack = ''): boolean {
  return stack.split('\n').some((line) => /^\s+at \S/.test(line) && !/\bnode:/.test(line))
}

const MOST_FRAMES = 30
const LONGEST = 500

/**
 * The frames of a stack, as V8 writes them. Everything else is dropped and their number is limited, because a stack
 * comes from the worker.
 */
export function frames(stack: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters must not reach a terminal
  const lines = stack
    .split('\n')
    .filter((line) => /^\s+at \S/.test(line) && line.length <= LONGEST && !/[\x00-\x08\x0b-\x1f\x7f]/.test(line))
  return lines.slice(0, MOST_FRAMES).join('\n')
}
