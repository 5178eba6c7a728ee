import { ASCII, ENTRY, hashOf, HEADER, LISTED, MAGIC, STAT, type PathKind } from './format.js'

export type Encoding = 'ascii' | 'utf8'

/**
 * Writes a table while others read it: nothing is taken back or changed, and readers see an addition only once it is
 * complete.
 */
export class TableWriter {
  readonly #bytes: Buffer
  readonly #words: Int32Array
  readonly #fields: BigInt64Array
  readonly #layout: Layout
  readonly #numbers = new Map<string, number>()
  /** The offset of the first free byte. */
  #at: number

  /** `memory` must be all zero. Throws a RangeError if so many entries do not fit. */
  constructor(
    memory: ArrayBufferLike,
    readonly capacity: number,
  ) {
    const layout = layoutOf(capacity)
    if (layout.restAt > memory.byteLength) throw new RangeError('the table is too small for what is to be in it')
    const words = new Int32Array(memory)
    this.#bytes = Buffer.from(memory)
    this.#words = words
    this.#fields = new BigInt64Array(memory)
    this.#layout = layout
    this.#at = layout.restAt
    const { slots, slotsAt, entriesAt } = layout
    words.set([slots, slotsAt, entriesAt, memory.byteLength], HEADER.magic + 1)
    // Last, so that a reader finds either a whole table or none.
    Atomics.store(words, HEADER.magic, MAGIC)
  }

  /** Adds a path, or finds it there. Returns false if there is no room. */
  add(path: string, kind: PathKind): boolean {
    if (this.#numbers.has(path)) return true
    const { slots, slotsAt } = this.#layout
    const number = this.#numbers.size
    const end = align(this.#at + path.length)
    if (number >= this.capacity || end > this.#bytes.length) return false
    const hash = hashOf(path)
    this.#bytes.write(path, this.#at, 'latin1')
    const word = this.#wordOf(number)
    this.#words[word + ENTRY.hash] = hash
    this.#words[word + ENTRY.nameAt] = this.#at
    this.#words[word + ENTRY.nameLength] = path.length
    this.#words[word + ENTRY.kind] = kind
    this.#words[word + ENTRY.target] = -1
    this.#at = end
    this.#numbers.set(path, number)
    occupy(this.#words, slotsAt / 4, slots - 1, hash, number)
    return true
  }

  /** Notes that every name of a directory has been added. */
  markListed(directory: string): void {
    const number = this.#numbers.get(directory)
    if (number === undefined) return
    const at = this.#wordOf(number) + ENTRY.kind
    Atomics.store(this.#words, at, (this.#words[at] ?? 0) | LISTED)
  }

  /** Adds the path at the end of a link, if the table has both. */
  putTarget(link: string, target: string): void {
    const [number, end] = [link, target].map((path) => this.#numbers.get(path))
    if (number !== undefined && end !== undefined) Atomics.store(this.#words, this.#wordOf(number) + ENTRY.target, end)
  }

  /** Marks the table as outdated: its readers stop using it. */
  outdate(): void {
    Atomics.store(this.#words, HEADER.outdated, 1)
  }

  /** Adds the fields of a path's lstat(2), in Node's order. Called at most once for each path. */
  putStat(path: string, stat: readonly bigint[]): void {
    const number = this.#numbers.get(path)
    const at = this.#at
    if (number === undefined || at + STAT.bytes > this.#bytes.length) return
    this.#at += STAT.bytes
    this.#fields.set(stat, at / 8)
    Atomics.store(this.#words, this.#wordOf(number) + ENTRY.statAt, at)
  }

  /**
   * Adds the content of a file. Called at most once for each file. `fill` writes all of it and returns its encoding; if
   * it returns undefined, or there is no room, the table does without.
   */
  putContent(path: string, length: number, fill: (into: Uint8Array) => Encoding | undefined): void {
    const number = this.#numbers.get(path)
    const at = this.#at
    // An empty content takes a byte as well, so that no other content has its offset.
    const end = align(at + length + 1)
    if (number === undefined || end > this.#bytes.length) return
    const encoding = fill(this.#bytes.subarray(at, at + length))
    if (encoding === undefined) return
    this.#at = end
    const word = this.#wordOf(number)
    this.#words[word + ENTRY.contentLength] = length
    if (encoding === 'ascii') this.#words[word + ENTRY.kind] = (this.#words[word + ENTRY.kind] ?? 0) | ASCII
    Atomics.store(this.#words, word + ENTRY.contentAt, at)
  }

  /** The content of a file as text; undefined if the table does not have it. */
  textOf(path: string): string | undefined {
    const number = this.#numbers.get(path)
    if (number === undefined) return undefined
    const word = this.#wordOf(number)
    const at = this.#words[word + ENTRY.contentAt] ?? 0
    const length = this.#words[word + ENTRY.contentLength] ?? 0
    const encoding = ((this.#words[word + ENTRY.kind] ?? 0) & ASCII) === 0 ? 'utf8' : 'latin1'
    return at === 0 ? undefined : Buffer.from(this.#bytes.buffer, at, length).toString(encoding)
  }

  /**
   * Adds V8's compiled code for the content of a file. Called at most once for each file. If there is no room, the
   * table does without.
   */
  putCode(path: string, code: Uint8Array): void {
    const number = this.#numbers.get(path)
    const at = this.#at
    const end = align(at + code.length)
    if (number === undefined || end > this.#bytes.length) return
    this.#bytes.set(code, at)
    this.#at = end
    const word = this.#wordOf(number)
    this.#words[word + ENTRY.codeLength] = code.length
    Atomics.store(this.#words, word + ENTRY.codeAt, at)
  }

  #wordOf(number: number): number {
    return this.#layout.entriesAt / 4 + number * ENTRY.words
  }
}

interface Layout {
  readonly slots: number
  readonly slotsAt: number
  readonly entriesAt: number
  /** Where names, stats, contents and code begin. */
  readonly restAt: number
}

function layoutOf(capacity: number): Layout {
  // At most half of the slots are in use.
  let slots = 16
  while (slots < capacity * 2) slots *= 2
  const slotsAt = HEADER.words * 4
  const entriesAt = slotsAt + slots * 4
  return { slots, slotsAt, entriesAt, restAt: align(entriesAt + capacity * ENTRY.words * 4) }
}

function occupy(words: Int32Array, first: number, mask: number, hash: number, number: number): void {
  let at = hash & mask
  while (words[first + at] !== 0) at = (at + 1) & mask
  Atomics.store(words, first + at, number + 1)
}

function align(offset: number): number {
  return Math.ceil(offset / 8) * 8
}
