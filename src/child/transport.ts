/** Messages of Vitest's worker over the descriptor that its parent left it. */
import { Socket } from 'node:net'
import { frame, FrameReader } from '../framing.js'

export interface Transport {
  post(message: unknown): void
  readonly listeners: Set<(message: unknown) => void>
}

// Taken here, because tests could overwrite it.
const exit = process.exit.bind(process)

export function openTransport(fd: number): Transport {
  const socket = new Socket({ fd, readable: true, writable: true })
  const reader = new FrameReader(Number.MAX_SAFE_INTEGER)
  const listeners: Transport['listeners'] = new Set()
  // A worker without its parent has no work left: the stock pool's exits on `disconnect`, too.
  socket.on('error', () => exit(1))
  socket.on('close', () => exit(1))
  socket.on('data', (chunk: Buffer) => {
    for (const message of reader.push(chunk)) {
      for (const listener of listeners) listener(message)
    }
  })
  return { post: (message) => void socket.write(frame(message)), listeners }
}

/**
 * Makes a profiled worker exit on SIGTERM, as the stock pool's does: Node writes a profile when it exits, not when a
 * signal ends it.
 */
export function exitIfProfiled(): void {
  if (process.execArgv.some((arg) => /^--(?:prof|cpu-prof|heap-prof|diagnostic-dir)/.test(arg)))
    process.on('SIGTERM', () => exit())
}

/** Puts Node's own process.exit back. Vitest may replace it, and restores it only at its own end. */
export function restoreExit(): void {
  process.exit = exit
}

/**
 * Defines `process.send`. Vitest takes it as the sign of a child process: fake timers then leave nextTick alone, which
 * this transport needs as much as IPC does. Tests may call it; as in the stock pool, nobody answers.
 */
export function standInForIpc(): void {
  Object.defineProperty(process, 'send', {
    configurable: true,
    writable: true,
    value: function send(): boolean {
      return true
    },
  })
  Object.defineProperty(process, 'connected', { configurable: true, writable: true, value: true })
}
