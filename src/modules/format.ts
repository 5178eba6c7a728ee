/**
 * The module table: the files below `node_modules`, as one buffer in which a process can look them up directly.
 *
 *     header | slots | entries | names, stats, contents and code
 *
 * A path is looked up by its hash: a slot holds the number of an entry plus one, or 0 if it is free; if another path
 * has taken the slot, the next one is tried. An entry holds the offset of its name (the whole path, ASCII), its kind,
 * and the offsets of its lstat(2) fields, of its content and of V8's compiled code for that content, if the table has
 * them. Entries, and these parts of them, are added while others look things up. All words are 32 bits in the machine's
 * own byte order: a table never leaves the machine.
 */

export const MAGIC = 0x4d_4f_44_33

/** Words of the header. Offsets are in bytes, from the start of the table. */
export const HEADER = {
  magic: 0,
  slots: 1,
  slotsAt: 2,
  entriesAt: 3,
  size: 4,
  /** Not 0 once the table is no longer true: its readers ask the kernel from here on. */
  outdated: 5,
  words: 6,
} as const

/** Words of an entry. An offset of 0 means that the table does not have the value. */
export const ENTRY = {
  hash: 0,
  nameAt: 1,
  nameLength: 2,
  kind: 3,
  /** For a link: the entry at its end, or -1 while that is not in the table. */
  target: 4,
  statAt: 5,
  contentAt: 6,
  contentLength: 7,
  codeAt: 8,
  codeLength: 9,
  words: 10,
} as const

export const PathKind = {
  file: 0,
  directory: 1,
  link: 2,
  /** The table knows only the name: ask the kernel. */
  unknown: 3,
} as const
export type PathKind = (typeof PathKind)[keyof typeof PathKind]

/** The bits of the kind in its word. The flags below share the word. */
export const KIND_BITS = 0x3
/**
 * Flag of a directory: every name in it is in the table, apart from those that the table cannot hold or leaves open. It
 * is set once they are.
 */
export const LISTED = 0x10
/** Flag of a file: its content is ASCII. */
export const ASCII = 0x20

/** The fields of stat(2) that Node keeps: FillStatsArray of src/node_file-inl.h. */
export const STAT = { fields: 18, bytes: 18 * 8, mode: 1, size: 8 } as const

/**
 * The longest path and name in a table. Longer ones are left to the kernel, which has limits of its own: PATH_MAX and
 * NAME_MAX of limits.h.
 */
export const LONGEST_PATH = 2048
export const LONGEST_NAME = 255

export const HASH_SEED = 0x811c9dc5 | 0

/** One step of FNV-1a. The hash of a path continues that of its prefix. */
export function hashStep(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193)
}

export function hashOf(path: string): number {
  let hash = HASH_SEED
  for (let at = 0; at < path.length; at++) hash = hashStep(hash, path.charCodeAt(at))
  return hash
}

/** True for a name that a table can hold: printable ASCII. */
export function isTableName(path: string): boolean {
  return /^[\x20-\x7e]+$/.test(path)
}

/**
 * True if a name may come and go while tests run. Vite, Vitest and others keep caches in hidden directories of
 * `node_modules`; of the hidden directories found when the table is made, only the package managers' own are listed.
 */
export function isHidden(name: string): boolean {
  return name.startsWith('.')
}
