import { ASCII, ENTRY, hashOf, HEADER, PathKind, LISTED, MAGIC, STAT } from './format.js'

/** The facts about one path when a table is made. */
export interface Listed {
  readonly path: string
  readonly kind: PathKind
  /** For a directory: true if all its names were read. */
  readonly isListed?: boolean
  /** For a link: the path at its end. */
  readonly target?: string
  /** The fields of its lstat(2), in Node's order. */
  readonly stat?: readonly bigint[]
}

export type Encoding = 'ascii' | 'utf8'

/**
 * Writes a table, and goes on writing while others read it: the entries never change, and readers see an addition only
 * once it is complete.
 */
export class TableWriter {
  readonly #bytes: Uint8Array
  readonly #words: Int32Array
  readonly #fields: BigInt64Array
  readonly #entriesAt: number
  readonly #numbers = new Map<string, number>()
  /** The offset of the first free byte. */
  #at: number

  /** `memory` must be all zero, and each path listed once. Throws a RangeError if the entries do not fit. */
  constructor(memory: ArrayBufferLike, listed: readonly Listed[]) {
    const bytes = Buffer.from(memory)
    const words = new Int32Array(memory)
    this.#bytes = bytes
    this.#words = words
    this.#fields = new BigInt64Array(memory)
    const { slots, slotsAt, entriesAt, namesAt, statsAt } = layoutOf(listed)
    if (statsAt > memory.byteLength) throw new RangeError('the table is too small for what is to be in it')
    this.#entriesAt = entriesAt
    words.set([slots, slotsAt, listed.length, entriesAt, memory.byteLength], HEADER.magic + 1)
    this.#at = statsAt
    for (const [number, { path }] of listed.entries()) this.#numbers.set(path, number)
    let nameAt = namesAt
    let word = entriesAt / 4
    for (const [number, { path, kind, isListed, target, stat }] of listed.entries()) {
      const hash = hashOf(path)
      occupy(words, slotsAt / 4, slots - 1, hash, number)
      words[word + ENTRY.hash] = hash
      words[word + ENTRY.nameAt] = nameAt
      words[word + ENTRY.nameLength] = path.length
      words[word + ENTRY.kind] = kind | (isListed === true ? LISTED : 0)
      words[word + ENTRY.target] = (target === undefined ? undefined : this.#numbers.get(target)) ?? -1
      nameAt += bytes.write(path, nameAt, 'latin1')
      word += ENTRY.words
      if (stat !== undefined) this.#putStat(number, stat)
    }
    // Last, so that a reader finds either a whole table or none.
    Atomics.store(words, HEADER.magic, MAGIC)
  }

  /** Marks the table as outdated: its readers stop using it. */
  outdate(): void {
    Atomics.store(this.#words, HEADER.outdated, 1)
  }

  /** Adds the stat of a file. Called at most once for each file. */
  putStat(path: string, stat: readonly bigint[]): void {
    const number = this.#numbers.get(path)
    if (number !== undefined) this.#putStat(number, stat)
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
    const word = this.#entriesAt / 4 + number * ENTRY.words
    this.#words[word + ENTRY.contentLength] = length
    if (encoding === 'ascii') this.#words[word + ENTRY.kind] = (this.#words[word + ENTRY.kind] ?? 0) | ASCII
    Atomics.store(this.#words, word + ENTRY.contentAt, at)
  }

  /** The content of a file as text; undefined if the table does not have it. */
  textOf(path: string): string | undefined {
    const number = this.#numbers.get(path)
    if (number === undefined) return undefined
    const word = this.#entriesAt / 4 + number * ENTRY.words
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
    const word = this.#entriesAt / 4 + number * ENTRY.words
    this.#words[word + ENTRY.codeLength] = code.length
    Atomics.store(this.#words, word + ENTRY.codeAt, at)
  }

  #putStat(number: number, stat: readonly bigint[]): void {
    const at = this.#at
    if (at + STAT.bytes > this.#bytes.length) return
    this.#at += STAT.bytes
    this.#fields.set(stat, at / 8)
    Atomics.store(this.#words, this.#entriesAt / 4 + number * ENTRY.words + ENTRY.statAt, at)
  }
}

interface Layout {
  readonly slots: number
  readonly slotsAt: number
  readonly entriesAt: number
  readonly namesAt: number
  readonly statsAt: number
}

function layoutOf(listed: readonly Listed[]): Layout {
  // At most half of the slots are in use.
  let slots = 16
  while (slots < listed.length * 2) slots *= 2
  const slotsAt = HEADER.words * 4
  const entriesAt = slotsAt + slots * 4
  const namesAt = entriesAt + listed.length * ENTRY.words * 4
  const names = listed.reduce((total, { path }) => total + path.length, 0)
  return { slots, slotsAt, entriesAt, namesAt, statsAt: align(namesAt + names) }
}

function occupy(words: Int32Array, first: number, mask: number, hash: number, number: number): void {
  let at = hash & mask
  while (words[first + at] !== 0) at = (at + 1) & mask
  words[first + at] = number + 1
}

function align(offset: number): number {
  return Math.ceil(offset / 8) * 8
}
