/**
 * The running test. The worker writes it, once for each test, into a block of memory that the broker can read, and the
 * broker reads it when it has something to report. So a test without refusals costs no call. Both sides use this
 * module, and it is pure: docs/protocol.md.
 */
import type { Mark } from '../policy/event.js'

export type { Mark } from '../policy/event.js'

/** The block: two 32-bit numbers in the byte order of the machine, then text. */
export const MARK = { version: 0, length: 4, text: 8, size: 8192 } as const
const LONGEST = MARK.size - MARK.text

/** The block as the worker holds it: its bytes, and the same memory as 32-bit words. */
export interface Block {
  readonly bytes: Buffer
  readonly words: Uint32Array
}

/**
 * Writes a mark. The version is odd while the block is being written. The stores are atomic, so they become visible in
 * order.
 */
export function writeMark({ bytes, words }: Block, { file, id, test, concurrent }: Mark): void {
  const version = (words[MARK.version / 4] ?? 0) + 1
  Atomics.store(words, MARK.version / 4, version)
  const length = bytes.write(
    [file, id, concurrent ? '1' : '', test.slice(0, 1000)].join('\0'),
    MARK.text,
    LONGEST,
    'utf8',
  )
  Atomics.store(words, MARK.length / 4, length)
  Atomics.store(words, MARK.version / 4, version + 1)
}

/** Reads bytes of the block. The result is valid until the next read; undefined if the memory is gone. */
type ReadBlock = (offset: number, length: number) => Uint8Array | undefined

/** A bound on retries: a worker that keeps writing must not hold up the broker. */
const ATTEMPTS = 3

/** Reads a block again and again, and decodes each version once. */
export class MarkReader {
  #version = 0
  #mark: Mark | undefined

  constructor(readonly read: ReadBlock) {}

  /** The mark; undefined while none was written. */
  now(): Mark | undefined {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const version = this.#number(MARK.version)
      if (version === undefined) return undefined
      if (version === this.#version) return this.#mark
      if (version % 2 !== 0) continue
      const text = this.#text(this.#number(MARK.length) ?? 0)
      if (text === undefined || this.#number(MARK.version) !== version) continue
      this.#version = version
      this.#mark = markOf(text)
    }
    return this.#mark
  }

  #text(length: number): string | undefined {
    const bytes = this.read(MARK.text, Math.min(length, LONGEST))
    return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
  }

  #number(offset: number): number | undefined {
    const bytes = this.read(offset, 4)
    return bytes === undefined ? undefined : Buffer.from(bytes).readUInt32LE()
  }
}

/** Decodes a mark. It serves attribution only, so missing fields are empty, and long ones are cut. */
function markOf(text: string): Mark {
  const [file = '', id = '', concurrent = '', test = ''] = text.split('\0')
  return { file, id, test: test.slice(0, 1000), concurrent: concurrent === '1' }
}
