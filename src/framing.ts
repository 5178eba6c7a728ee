/**
 * Messages of Vitest's runtime over a byte stream: a length, then the message by structured clone. Both ends use this
 * module. Node's IPC would not do: its parser ends the parent on garbage, and it carries handles.
 */
import { deserialize, serialize } from 'node:v8'
import { ProtocolError } from './errors.js'

const HEADER = 4

export function frame(message: unknown): Buffer {
  const body = serialize(message)
  const packet = Buffer.allocUnsafe(HEADER + body.length)
  packet.writeUInt32LE(body.length, 0)
  packet.set(body, HEADER)
  return packet
}

/** Puts chunks together again. Throws a ProtocolError for a message over `limit` bytes, or one that cannot be read. */
export class FrameReader {
  #chunks: Buffer[] = []
  #held = 0

  constructor(readonly limit: number) {}

  /** Yields each whole message in order, as soon as its last byte has arrived. */
  *push(chunk: Buffer): Generator {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    while (this.#held >= HEADER) {
      const head = this.#join(HEADER)
      const length = head.readUInt32LE(0)
      if (length > this.limit)
        throw new ProtocolError(`a message of ${length} bytes, where at most ${this.limit} are allowed`)
      if (this.#held < HEADER + length) return
      const whole = this.#join(HEADER + length)
      this.#chunks = whole.length === HEADER + length ? [] : [whole.subarray(HEADER + length)]
      this.#held -= HEADER + length
      yield read(whole.subarray(HEADER, HEADER + length))
    }
  }

  /** Makes the first chunk hold at least `length` bytes, and returns it. */
  #join(length: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= length) return first
    const joined = Buffer.concat(this.#chunks)
    this.#chunks = [joined]
    return joined
  }
}

function read(body: Buffer): unknown {
  try {
    return deserialize(body)
  } catch (error) {
    throw new ProtocolError('a message that is not structured-clone data', { cause: error })
  }
}
