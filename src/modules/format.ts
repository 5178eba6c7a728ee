/**
 * The module table: what is there below `node_modules`, as one buffer that a process can look things up in as it is.
 *
 *     header | slots | entries | names | stats and contents
 *
 * A path is looked up by its hash: a slot holds the number of an entry plus one, 0 where it is free, and the next slot is tried
 * where another path came first. An entry says where its name stands (the whole path, ASCII), what is there, and where the
 * fields of its lstat(2) and its content stand, if the table has them: these may come later, while others look things up.
 * All words are 32 bits in the machine's own byte order:
 * a table never leaves the machine.
 */

export const MAGIC = 0x4d_4f_44_31

/** Words of the header. Offsets are in bytes, from the start of the table. */
export const HEADER = {
  magic: 0,
  slots: 1,
  slotsAt: 2,
  entries: 3,
  entriesAt: 4,
  size: 5,
  /** Not 0: what the table says is true no more, and whoever has it asks the kernel from here on. */
  outdated: 6,
  words: 8,
} as const

/** Words of an entry. An offset of 0 means that the table does not have it. */
export const ENTRY = {
  hash: 0,
  nameAt: 1,
  nameLength: 2,
  kind: 3,
  /** Of a link: the entry that it leads to in the end, -1 where that is not in the table. */
  target: 4,
  statAt: 5,
  contentAt: 6,
  contentLength: 7,
  words: 8,
} as const

export const PathKind = {
  file: 0,
  directory: 1,
  link: 2,
  /** The table knows the name and nothing else: it has to be asked for. */
  unknown: 3,
} as const
export type PathKind = (typeof PathKind)[keyof typeof PathKind]

/** Beside the kind, in the same word. */
export const KIND_BITS = 0x3
/** Of a directory: every name in it is in the table, apart from those that the table has nothing to say of. */
export const LISTED = 0x10
/** Of a content: it is ASCII. */
export const ASCII = 0x20

/** The fields of a stat(2) that Node keeps: FillStatsArray of src/node_file-inl.h. */
export const STAT = { fields: 18, bytes: 18 * 8, mode: 1, size: 8 } as const

/** Longer paths and names are left to the kernel, which has limits of its own: PATH_MAX and NAME_MAX of limits.h. */
export const LONGEST_PATH = 2048
export const LONGEST_NAME = 255

export const HASH_SEED = 0x811c9dc5 | 0

/** FNV-1a. The hash of a path goes on from that of what it starts with. */
export function hashStep(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193)
}

export function hashOf(path: string): number {
  let hash = HASH_SEED
  for (let at = 0; at < path.length; at++) hash = hashStep(hash, path.charCodeAt(at))
  return hash
}

/** Names that a table can hold: printable ASCII. */
export function isTableName(path: string): boolean {
  return /^[\x20-\x7e]+$/.test(path)
}

/**
 * True if a name may come and go while tests run. Vite, Vitest and others keep caches in hidden directories of `node_modules`; of
 * those that are there when the table is made, only the package managers' own are looked into.
 */
export function isHidden(name: string): boolean {
  return name.startsWith('.')
}
