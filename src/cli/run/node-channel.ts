/**
 * Passes messages between Vitest and the Node channel of the process that started the command (an IDE, a script that
 * forks it). Vitest's end is Node's own. This end reads lines of JSON and takes no descriptors, because a confined
 * process may write anything. Neither does it give any: what was opened for another process is no grant of Vitest's.
 */
import type { SendHandle } from 'node:child_process'
import { Socket } from 'node:net'

/** The longest line, in characters. */
const MOST = 64 * 1024 * 1024

/** Passes messages on in both directions until it is stopped. `refused`: a message that came with a descriptor. */
export function passOnMessages(vitest: Socket, refused: (by: 'Vitest' | 'parent') => void): { stop(): void } {
  const write = (message: unknown): void => {
    if (vitest.writable) vitest.write(`${JSON.stringify(message)}\n`)
  }
  const toVitest = (message: unknown, handle?: SendHandle): void => {
    if (handle === undefined) return write(message)
    // Whoever is at its other end would wait for ever.
    if (handle instanceof Socket) handle.destroy()
    else if ('close' in handle) handle.close()
    refused('parent')
  }
  const toParent = (line: string): void => {
    const message = parsed(line)
    if (message === undefined) return
    const command = internal(message)
    if (command === 'NODE_HANDLE') {
      // Without an answer, Node would send nothing more.
      write({ cmd: 'NODE_HANDLE_ACK' })
      refused('Vitest')
    }
    // If the parent has disconnected in the meantime, it needs no message.
    else if (command === undefined && process.connected) toParentAsIs(message)
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

/** Sends a message, unless it is nested deeper than JSON can be written, although it can be read. */
function toParentAsIs(message: object | string | number | boolean): void {
  try {
    process.send?.(message, undefined, undefined, () => {})
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
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

/** The command of one of Node's own messages about passed descriptors: lib/internal/child_process.js, isInternal. */
function internal(message: object | string | number | boolean): string | undefined {
  const isCommand =
    typeof message === 'object' &&
    'cmd' in message &&
    typeof message.cmd === 'string' &&
    message.cmd.startsWith('NODE_')
  return isCommand ? String(message.cmd) : undefined
}
