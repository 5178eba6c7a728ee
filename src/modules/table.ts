/**
 * Looks things up in a module table. A result of `undefined` means that the table cannot be sure: then the kernel is
 * asked.
 *
 * The table holds canonical paths and links. A path that leads through links is looked up again behind each of them. A
 * path with `.`, `..`, or doubled or trailing slashes is never resolved here.
 */
import {
  ASCII,
  ENTRY,
  HASH_SEED,
  hashOf,
  hashStep,
  HEADER,
  isHidden,
  PathKind,
  KIND_BITS,
  LISTED,
  LONGEST_NAME,
  LONGEST_PATH,
  MAGIC,
  STAT,
} from './format.js'

const SLASH = 0x2f
/** Links that a lookup follows. Together with those behind each entry (walk.ts) they stay below the kernel's 40. */
const MOST_LINKS = 4
const DEEPEST = 64

/** Results of uv_fs_stat; negated errnos of errno(3), the same on every architecture of Linux. */
const IS_FILE = 0
const IS_DIRECTORY = 1
const NOT_THERE = -2
const NOT_A_DIRECTORY = -20

/** The place of a content in the table. */
export interface ContentSpan {
  readonly at: number
  readonly length: number
  readonly isAscii: boolean
  readonly statAt: number
}

interface Bytes extends Buffer {
  latin1Slice(from: number, to: number): string
}

export class ModuleTable {
  readonly #bytes: Bytes
  readonly #words: Int32Array
  readonly #fields: BigInt64Array
  readonly #slotsAt: number
  readonly #mask: number
  readonly #entriesAt: number
  /**
   * For the path that is looked up: the offset of each slash, the hash of the text before it, and the hash of the whole
   * path.
   */
  readonly #cuts = new Int32Array(DEEPEST)
  readonly #hashes = new Int32Array(DEEPEST)
  #hash = 0

  /** The table in this memory; undefined while nothing is written there. Throws a TypeError if it holds something else. */
  static in(memory: ArrayBufferLike): ModuleTable | undefined {
    return Atomics.load(new Int32Array(memory, 0, HEADER.words), HEADER.magic) === 0
      ? undefined
      : new ModuleTable(memory)
  }

  /** Throws a TypeError if the memory holds no table. */
  constructor(memory: ArrayBufferLike) {
    // The cast: buf.toString('latin1') ends up in latin1Slice, which @types/node does not have.
    this.#bytes = Buffer.from(memory) as Bytes
    this.#words = new Int32Array(memory, 0, Math.floor(memory.byteLength / 4))
    this.#fields = new BigInt64Array(memory, 0, Math.floor(memory.byteLength / 8))
    if (this.#words[HEADER.magic] !== MAGIC || this.#word(HEADER.size) !== memory.byteLength)
      throw new TypeError('this is no module table')
    this.#slotsAt = this.#word(HEADER.slotsAt) / 4
    this.#mask = this.#word(HEADER.slots) - 1
    this.#entriesAt = this.#word(HEADER.entriesAt) / 4
  }

  /**
   * The kind of a path as `internalModuleStat` gives it: 0 for a file, 1 for a directory, or a negated errno. Follows
   * links.
   */
  kindOf(path: string): number | undefined {
    const found = this.#follow(path)
    if (found === undefined || found < 0) return found
    const kind = this.#field(found, ENTRY.kind) & KIND_BITS
    return kind === PathKind.file ? IS_FILE : kind === PathKind.directory ? IS_DIRECTORY : undefined
  }

  /** Copies the fields of lstat(2) to `into`. Returns false if the table does not have them. */
  lstat(path: string, into: BigInt64Array): boolean {
    if (this.#isOutdated()) return false
    const found = this.#findHashed(path, path.length, hashOf(path))
    if (found < 0) return false
    const at = this.#lateField(found, ENTRY.statAt)
    if (at === 0) return false
    for (let field = 0; field < STAT.fields; field++) into[field] = this.#fields[at / 8 + field] ?? 0n
    return true
  }

  /** Finds the content of a file. Follows links. */
  contentOf(path: string): ContentSpan | undefined {
    const found = this.#follow(path)
    return found === undefined || found < 0 ? undefined : this.#contentAt(found)
  }

  #contentAt(entry: number): ContentSpan | undefined {
    const at = this.#lateField(entry, ENTRY.contentAt)
    const statAt = this.#lateField(entry, ENTRY.statAt)
    if (at === 0 || statAt === 0) return undefined
    const length = this.#field(entry, ENTRY.contentLength)
    return { at, length, isAscii: (this.#field(entry, ENTRY.kind) & ASCII) !== 0, statAt }
  }

  /**
   * The compiled code of a file's content, to be read only. Undefined if the table has none, and for a path through a link
   * (`--preserve-symlinks`): V8 before 12 keeps the name that code was made for, and stacks would show it.
   */
  codeOf(path: string): { readonly content: ContentSpan; readonly code: Uint8Array } | undefined {
    if (this.#isOutdated()) return undefined
    const found = this.#findHashed(path, path.length, hashOf(path))
    if (found < 0 || (this.#field(found, ENTRY.kind) & KIND_BITS) !== PathKind.file) return undefined
    const at = this.#lateField(found, ENTRY.codeAt)
    const content = at === 0 ? undefined : this.#contentAt(found)
    if (content === undefined) return undefined
    return { content, code: this.#bytes.subarray(at, at + this.#field(found, ENTRY.codeLength)) }
  }

  text({ at, length, isAscii }: ContentSpan): string {
    return isAscii ? this.#bytes.latin1Slice(at, at + length) : this.#bytes.toString('utf8', at, at + length)
  }

  /** Copies a part of a content. Nobody gets a view of the table, which is read-only memory. */
  copy({ at }: ContentSpan, from: number, count: number, into: Uint8Array, offset: number): void {
    into.set(this.#bytes.subarray(at + from, at + from + count), offset)
  }

  numberField({ statAt }: ContentSpan, field: number): number {
    return Number(this.#fields[statAt / 8 + field] ?? 0n)
  }

  /** Returns the entry behind all links, NOT_THERE, NOT_A_DIRECTORY, or undefined. */
  #follow(asked: string): number | undefined {
    if (this.#isOutdated()) return undefined
    let path = asked
    for (let links = 0; links <= MOST_LINKS; links++) {
      if (path.length > LONGEST_PATH) return undefined
      const depth = this.#cut(path)
      if (depth < 0) return undefined
      const found = this.#findHashed(path, path.length, this.#hash)
      if (found >= 0) return this.#behind(found)
      const step = this.#above(path, depth)
      if (typeof step !== 'string') return step
      path = step
    }
    return undefined
  }

  #isOutdated(): boolean {
    return Atomics.load(this.#words, HEADER.outdated) !== 0
  }

  #behind(entry: number): number | undefined {
    if ((this.#field(entry, ENTRY.kind) & KIND_BITS) !== PathKind.link) return entry
    const target = this.#lateField(entry, ENTRY.target)
    return target < 0 ? undefined : target
  }

  /**
   * Decides for a path that is not in the table, by the nearest ancestor that is. Returns a string, the same path
   * behind a link, if that ancestor is a link.
   */
  #above(path: string, depth: number): number | string | undefined {
    for (let level = depth - 1; level > 0; level--) {
      const cut = this.#cuts[level] ?? 0
      const entry = this.#findHashed(path, cut, this.#hashes[level] ?? 0)
      if (entry < 0) continue
      const kind = this.#lateField(entry, ENTRY.kind)
      switch (kind & KIND_BITS) {
        case PathKind.file:
          return NOT_A_DIRECTORY
        case PathKind.directory:
          if ((kind & LISTED) === 0 || isHidden(path.slice(cut + 1, cut + 2))) return undefined
          // The directory may have been listed since the name in it was looked up.
          return this.#isHere(path, level + 1, depth) ? undefined : NOT_THERE
        case PathKind.link: {
          const target = this.#behind(entry)
          return target === undefined ? undefined : this.#nameOf(target) + path.slice(cut)
        }
        default:
          return undefined
      }
    }
    return undefined
  }

  /** True if the table has the part of `path` before the slash `level`; the whole path, if it has no more slashes. */
  #isHere(path: string, level: number, depth: number): boolean {
    return level < depth
      ? this.#findHashed(path, this.#cuts[level] ?? 0, this.#hashes[level] ?? 0) >= 0
      : this.#findHashed(path, path.length, this.#hash) >= 0
  }

  /** Notes the slashes of a path. Returns their number, or -1 for a path that the table must not judge. */
  #cut(path: string): number {
    let hash = HASH_SEED
    let depth = 0
    let start = 1
    if (path.charCodeAt(0) !== SLASH) return -1
    for (let at = 0; at <= path.length; at++) {
      const code = at === path.length ? SLASH : path.charCodeAt(at)
      if (code < 0x20 || code > 0x7e) return -1
      if (code === SLASH && at > 0) {
        if (!isPlainName(path, start, at)) return -1
        start = at + 1
      }
      if (at === path.length) break
      if (code === SLASH) {
        if (depth >= DEEPEST) return -1
        this.#cuts[depth] = at
        this.#hashes[depth++] = hash
      }
      hash = hashStep(hash, code)
    }
    this.#hash = hash
    return depth
  }

  /** The entry of the first `end` characters of `path`; -1 if there is none. */
  #findHashed(path: string, end: number, hash: number): number {
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const entry = (this.#words[this.#slotsAt + at] ?? 0) - 1
      if (entry < 0) return -1
      if (this.#field(entry, ENTRY.hash) !== hash || this.#field(entry, ENTRY.nameLength) !== end) continue
      if (this.#nameOf(entry) === (end === path.length ? path : path.slice(0, end))) return entry
    }
  }

  #nameOf(entry: number): string {
    const at = this.#field(entry, ENTRY.nameAt)
    return this.#bytes.latin1Slice(at, at + this.#field(entry, ENTRY.nameLength))
  }

  #field(entry: number, field: number): number {
    return this.#words[this.#entriesAt + entry * ENTRY.words + field] ?? 0
  }

  /** A field that may be written while this process reads. Once it is set, the data that it points at are complete. */
  #lateField(entry: number, field: number): number {
    return Atomics.load(this.#words, this.#entriesAt + entry * ENTRY.words + field)
  }

  #word(at: number): number {
    return this.#words[at] ?? 0
  }
}

function isPlainName(path: string, start: number, end: number): boolean {
  const length = end - start
  if (length === 0 || length > LONGEST_NAME) return false
  if (path.charCodeAt(start) !== 0x2e) return true
  return !(length === 1 || (length === 2 && path.charCodeAt(start + 1) === 0x2e))
}
