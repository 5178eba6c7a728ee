/** Reads the texts in which Vite looks for source maps, and keeps the result until a file changes. */
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, statSync, type Stats } from 'node:fs'
import { codeOf } from '../../errors.js'
import { commentsIn, mapIn, MARK, type Comments, type Mapped } from './source-maps.js'

interface Cached<T> {
  readonly stamp: string
  readonly value: T
}

const NONE: Comments = { inline: [], files: [] }
const MOST_KNOWN = 50_000
const modules = new Map<string, Cached<Comments>>()
const maps = new Map<string, Cached<Mapped>>()

/** The comments of a file that no test can write; none if it is not a regular file. */
export function commentsOf(path: string): Comments {
  return current(modules, path, (fd) => (holdsMark(fd) ? commentsIn(readFileSync(fd, 'utf8')) : NONE)) ?? NONE
}

export function mapOf(path: string): Mapped {
  return current(maps, path, (fd) => mapIn(readFileSync(fd, 'utf8'))) ?? { sources: [], isOdd: false }
}

function current<T>(known: Map<string, Cached<T>>, path: string, read: (fd: number) => T): T | undefined {
  const stats = look(path)
  if (stats === undefined || !stats.isFile()) return undefined
  const before = known.get(path)
  if (before?.stamp === stampOf(stats)) return before.value
  // O_NONBLOCK: a FIFO may have taken the file's place in the meantime: open(2).
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const opened = fstatSync(fd)
    if (!opened.isFile()) return undefined
    const value = read(fd)
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(path, { stamp: stampOf(opened), value })
    return value
  } finally {
    closeSync(fd)
  }
}

function stampOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    const code = codeOf(error)
    // Vite cannot open it either.
    if (code === 'EACCES' || code === 'ENOTDIR' || code === 'ENAMETOOLONG' || code === 'ELOOP') return undefined
    throw error
  }
}

const CHUNK = 1024 * 1024
const chunk = Buffer.allocUnsafeSlow(CHUNK)

/**
 * True if the file contains such a comment. Most files have none, and some are large, so a file is searched in chunks.
 */
function holdsMark(fd: number): boolean {
  const overlap = MARK.length - 1
  for (let at = 0; ; at += CHUNK - overlap) {
    const length = readSync(fd, chunk, 0, CHUNK, at)
    if (chunk.subarray(0, length).includes(MARK)) return true
    if (length < CHUNK) return false
  }
}
