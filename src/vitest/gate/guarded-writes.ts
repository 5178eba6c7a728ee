/**
 * Keeps Vitest's own process from writing through a link that a test may have made. Reporters, providers and plugins
 * write by name, at any time. Where a test may write, Node's own functions therefore open exactly the file that the
 * name leads to without such a link, or fail.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, resolve } from 'node:path'
import { functionsOf, nameOf, replace, type NodeFunction } from './node-fs.js'
import { inDirectory, openSafely, readSafely } from './safe-open.js'
import { isFields } from './values.js'
import { walk } from './walk.js'
import type { Writes } from './writes.js'

interface Guard {
  readonly writes: Writes
  readonly refused: () => void
}

const guards = new Set<Guard>()

/**
 * Guards writes for the rest of this process's life: a link still exists after Vitest has closed. `refused` is called
 * for each file that was not written.
 */
export function guardWrites(writes: Writes, refused: () => void): void {
  install()
  guards.add({ writes, refused })
}

/**
 * The real path of a name, if a test may write there; undefined if none may. Throws if the name leads through a link
 * that a test may have made.
 */
function heldPlace(name: string): string | undefined {
  // safe-open.ts opened the directory, and has checked the way to it.
  if (name.includes('\0') || name.startsWith('/proc/self/fd/')) return undefined
  const { real, links } = walk(resolve(name))
  for (const { writes, refused } of guards) {
    const link = links.find((at) => writes.mayHold(at))
    if (link !== undefined) {
      refused()
      throw asOpen('EACCES', -13, `permission denied, open '${name}': a test may have made the link ${link}`, name)
    }
    if (writes.mayHold(real)) return real
  }
  return undefined
}

/** An error in the form that Node gives those of open(2). */
function asOpen(code: string, errno: number, text: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code, errno, syscall: 'open', path })
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_SYNC } = fs.constants
/** Node's names of flags: lib/internal/fs/utils.js, stringToFlags. */
const FLAGS: { readonly [letters: string]: number } = {
  r: O_RDONLY,
  'r+': O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  'w+': O_RDWR | O_CREAT | O_TRUNC,
  a: O_WRONLY | O_CREAT | O_APPEND,
  'a+': O_RDWR | O_CREAT | O_APPEND,
}

/** The flags of open(2); undefined for a value that Node itself rejects. */
function flagsOf(given: unknown): number | undefined {
  if (typeof given === 'number') return given
  if (typeof given !== 'string') return undefined
  const plain = FLAGS[given.replace(/[xs]/g, '')]
  if (plain === undefined) return undefined
  return plain | (given.includes('x') ? O_EXCL : 0) | (given.includes('s') ? O_SYNC : 0)
}

/** The real path that must be opened in place of the name; undefined if Node may open the name itself. */
function heldFor(path: unknown, flags: number | undefined): string | undefined {
  const name = guards.size === 0 ? undefined : nameOf(path)
  const writes = flags !== undefined && (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) !== 0
  return writes && name !== undefined ? heldPlace(name) : undefined
}

const modeOf = (mode: unknown): number => (typeof mode === 'number' ? mode : 0o666)

function option(options: unknown, name: string): unknown {
  return isFields(options) ? options[name] : undefined
}

/** A replacement for a function of Node's. Returns true if it has done the work itself, false to leave it to Node. */
type Instead = (args: readonly unknown[]) => boolean

/** The replacement of writeFile and appendFile. */
function written(usual: string): Instead {
  return ([path, data, options]) => {
    const flags = flagsOf(option(options, 'flag') ?? usual)
    const place = heldFor(path, flags)
    if (place === undefined || flags === undefined) return false
    withOpen(openSafely(place, flags, modeOf(option(options, 'mode'))), (fd) => {
      // Node accepts the same options for a descriptor as for a name.
      functionsOf(fs).writeFileSync?.(fd, data, typeof options === 'function' ? undefined : options)
    })
    return true
  }
}

const copied: Instead = ([from, to, how]) => {
  const exclusive = typeof how === 'number' && (how & fs.constants.COPYFILE_EXCL) !== 0 ? O_EXCL : 0
  const flags = O_WRONLY | O_CREAT | O_TRUNC | exclusive
  const place = heldFor(to, flags)
  const source = nameOf(from)
  if (place === undefined || source === undefined) return false
  const content = readSafely(fs.realpathSync(source), LARGEST)
  withOpen(openSafely(place, flags, fs.statSync(source).mode & 0o777), (fd) => fs.writeFileSync(fd, content))
  return true
}

const LARGEST = 512 * 1024 * 1024

function withOpen(fd: number, use: (fd: number) => void): void {
  try {
    use(fd)
  } finally {
    fs.closeSync(fd)
  }
}

let isInstalled = false

function install(): void {
  if (isInstalled) return
  isInstalled = true
  const [plain, promises] = [functionsOf(fs), functionsOf(fs.promises)]
  for (const [name, instead] of [
    ['writeFile', written('w')],
    ['appendFile', written('a')],
    ['copyFile', copied],
  ] as const) {
    replace(plain, `${name}Sync`, (original) => synchronous(original, instead))
    replace(plain, name, (original) => withCallback(original, (args) => (instead(args) ? [null] : undefined)))
    replace(
      promises,
      name,
      (original) =>
        async (...args) =>
          instead(args) ? undefined : original(...args),
    )
  }
  replace(
    plain,
    'openSync',
    (original) =>
      (...args) =>
        opened(args) ?? original(...args),
  )
  replace(plain, 'open', (original) =>
    withCallback(original, (args) => {
      const fd = opened(args)
      return fd === undefined ? undefined : [null, fd]
    }),
  )
  replace(promises, 'open', (original) => async (...args) => {
    const [path, letters, mode] = args
    const flags = flagsOf(letters ?? 'r')
    const place = heldFor(path, flags)
    if (place === undefined || flags === undefined) return original(...args)
    return inDirectory(place, (dir) => original(`${dir}/${basename(place)}`, flags | fs.constants.O_NOFOLLOW, mode))
  })
  syncBuiltinESMExports()
}

function opened([path, letters, mode]: readonly unknown[]): number | undefined {
  const flags = flagsOf(typeof letters === 'function' ? 'r' : (letters ?? 'r'))
  const place = heldFor(path, flags)
  return place === undefined || flags === undefined ? undefined : openSafely(place, flags, modeOf(mode))
}

function synchronous(original: NodeFunction, instead: Instead): NodeFunction {
  return function (...args) {
    return instead(args) ? undefined : original.apply(this, args)
  }
}

/** Wraps a function with a callback. `answer`: the callback's arguments; undefined if Node does the work itself. */
function withCallback(
  original: NodeFunction,
  answer: (args: readonly unknown[]) => readonly unknown[] | undefined,
): NodeFunction {
  return function (...args) {
    const callback = args.at(-1)
    if (typeof callback !== 'function') return original.apply(this, args)
    try {
      const result = answer(args.slice(0, -1))
      return result === undefined ? original.apply(this, args) : process.nextTick(callback, ...result)
    } catch (error) {
      return process.nextTick(callback, error)
    }
  }
}
