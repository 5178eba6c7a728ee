/**
 * The running test: the worker writes it into a block of memory that the broker can read, once for each test, and the broker reads it
 * when it has something to tell. So a test that is never refused anything costs no call. Pure; both sides use it. docs/protocol.md.
 */
import type { Mark } from '../policy/event.js'

export type { Mark } from '../policy/event.js'

/** The block: two 32-bit numbers in the byte order of the machine, then text. */
export const MARK = { version: 0, length: 4, text: 8, size: 8192 } as const
const LONGEST = MARK.size - MARK.text

/** The block as the worker holds it: its bytes, and the same as 32-bit words. */
export interface Block {
  readonly bytes: Buffer
  readonly words: Uint32Array
}

/** The version is odd while the block is written. Stored atomically: so nothing of it is seen before or after its turn. */
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

/** So many bytes of the block from an offset on, until the next are read; undefined where there are none any more. */
type ReadBlock = (offset: number, length: number) => Uint8Array | undefined

/** Somebody who writes all the time is not waited for. */
const ATTEMPTS = 3

/** Reads a block again and again, and decodes what it says once. */
export class MarkReader {
  #version = 0
  #mark: Mark | undefined

  constructor(readonly read: ReadBlock) {}

  /** Undefined where nothing was said yet. */
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

/** Attribution only: what is missing is empty, and what is too long is cut. */
function markOf(text: string): Mark {
  const [file = '', id = '', concurrent = '', test = ''] = text.split('\0')
  return { file, id, test: test.slice(0, 1000), concurrent: concurrent === '1' }
}
