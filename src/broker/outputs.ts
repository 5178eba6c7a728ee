/** The output of a worker, at its start and at its end. */
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { WorkerStartError } from '../errors.js'
import { OUTPUT_MS } from '../limits.js'
import type { WorkerSockets } from './worker.js'

/** The stage of a start that asks for more than a confined runner may have. */
export const NOT_GIVEN = 'confined runner'

/** The reason why a start failed, before the worker's output is known. */
export class StartFailure extends Error {
  constructor(
    readonly stage: string,
    readonly detail: string,
  ) {
    super(`${stage}: ${detail}`)
  }
}

/** Characters of the output that are shown. */
const SHOWN = 4000
/** Bytes of the output that are kept for its next reader, the newest. */
const KEPT = 1 << 20
/** Characters of a broker process's output that are shown. */
const SHOWN_OF_BROKER = 2000

/** Keeps the end of what a broker process prints, for the sentence that says that it is gone. Returns a reader of it. */
export function endOfOutput(stderr: Readable | null): () => string {
  let output = ''
  stderr?.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-SHOWN_OF_BROKER)))
  return () => output
}

/**
 * Waits for a start. What the worker prints meanwhile goes into the error, or back into the stream for its next reader.
 */
export async function collecting(stderr: Socket, start: Promise<void>): Promise<void> {
  const printed: Buffer[] = []
  let size = 0
  // Bytes, not text: a character may come in two pieces.
  const collect = (chunk: Buffer): void => {
    printed.push(chunk)
    size += chunk.length
    while (size > KEPT) size -= printed.shift()?.length ?? size
  }
  stderr.on('data', collect)
  try {
    await start
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error
    await drained(stderr)
    throw new WorkerStartError(error.stage, error.detail, Buffer.concat(printed).toString().slice(-SHOWN))
  } finally {
    stderr.off('data', collect)
    stderr.pause()
    if (size > 0 && !stderr.readableEnded) stderr.unshift(Buffer.concat(printed))
  }
}

/** Waits until everything that was printed before the end is read: destroying the socket would lose it. */
export async function closeOutputs({ transport, stdout, stderr }: WorkerSockets): Promise<void> {
  await Promise.all([drained(stdout), drained(stderr)])
  for (const socket of [transport, stdout, stderr]) socket.destroySoon()
}

async function drained(output: Socket): Promise<void> {
  if (output.listenerCount('data') === 0 || output.readableEnded || output.destroyed) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, OUTPUT_MS)
    for (const end of ['end', 'close']) {
      output.once(end, () => {
        clearTimeout(timer)
        resolve()
      })
    }
  })
}

/** Ignores errors of the sockets: a worker that dies resets them, and `exited` reports the death. */
export function ignoreResets(sockets: WorkerSockets): void {
  for (const socket of [sockets.transport, sockets.stdout, sockets.stderr]) socket.on('error', () => socket.destroy())
}
