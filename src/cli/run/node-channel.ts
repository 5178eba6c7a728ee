/**
 * Passes messages between Vitest and the Node channel of the process that started the command (an IDE, a script that
 * forks it). Vitest's end is Node's own. This end reads lines of JSON and takes no descriptors, because a confined
 * process may write anything.
 */
import type { Socket } from 'node:net'

/** The longest line, in characters. */
const MOST = 64 * 1024 * 1024

/** Passes messages on in both directions until it is stopped. */
export function passOnMessages(vitest: Socket): { stop(): void } {
  const toVitest = (message: unknown): void => {
    if (vitest.writable) vitest.write(`${JSON.stringify(message)}\n`)
  }
  const hangUp = (): void => void vitest.end()
  process.on('message', toVitest)
  process.on('disconnect', hangUp)
  let line = ''
  vitest.setEncoding('utf8')
  vitest.on('data', (text: string) => {
    const [first = '', ...others] = text.split('\n')
    line += first
    for (const next of others) {
      toParent(line)
      line = next
    }
    if (line.length > MOST) vitest.destroy()
  })
  // Vitest called process.disconnect().
  vitest.on('end', () => {
    if (process.connected) process.disconnect()
  })
  vitest.on('error', () => vitest.destroy())
  return {
    stop() {
      process.off('message', toVitest)
      process.off('disconnect', hangUp)
      vitest.destroy()
    },
  }
}

function toParent(line: string): void {
  const message = parsed(line)
  if (message === undefined || isInternal(message)) return
  // If the parent has disconnected in the meantime, it needs no message.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

function parsed(line: string): object | string | number | boolean | undefined {
  try {
    // Any value of JSON except null, which Node never sends by itself.
    return (JSON.parse(line) as object | string | number | boolean | null) ?? undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** True for Node's own messages about passed descriptors: lib/internal/child_process.js, isInternal. */
function isInternal(message: object | string | number | boolean): boolean {
  return (
    typeof message === 'object' &&
    'cmd' in message &&
    typeof message.cmd === 'string' &&
    message.cmd.startsWith('NODE_')
  )
}
