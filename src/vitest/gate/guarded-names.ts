/**
 * Keeps calls that make, move, remove or change an entry from going through a link that a test may have made, as
 * guarded-files.ts does for opening.
 */
import fs from 'node:fs'
import { basename } from 'node:path'
import { codeOf } from '../../errors.js'
import { afterCheck } from './guarded-below.js'
import { checkCarried, heldEntry, heldPlace } from './guarded-places.js'
import { functionsOf, nameOf, replace, withCallback, type NodeFunction } from './node-fs.js'
import { unjudged } from './reads.js'
import { openSafely, removeDir, removeTree, withDirectory, withOpen } from './safe-open.js'
import { isFields } from './values.js'

/** Does a call's work in a place where a test may write; undefined to leave it to Node. */
type GuardedCall = (args: readonly unknown[]) => { readonly result: unknown } | undefined

const { O_RDONLY, O_WRONLY } = fs.constants

/** Wraps Node's own functions, which every module of this process shares. */
export function guardNames(): void {
  const node = functionsOf(fs)
  const sync = (name: string): ((...args: unknown[]) => unknown) => {
    const original = node[`${name}Sync`]
    if (original === undefined) throw new TypeError(`this Node has no fs.${name}Sync`)
    return original
  }
  const byName = (at: readonly number[], name: string): GuardedCall => inDirectories(at, sync(name))
  const byFile = (flags: number, name: string): GuardedCall => inFile(flags, sync(name))
  const [mkdir, rmdir] = [byName([0], 'mkdir'), byName([0], 'rmdir')]
  const calls: Readonly<Record<string, GuardedCall>> = {
    chmod: byFile(O_RDONLY, 'fchmod'),
    chown: byFile(O_RDONLY, 'fchown'),
    lchown: byName([0], 'lchown'),
    link: carrying(byName([0, 1], 'link')),
    lutimes: byName([0], 'lutimes'),
    mkdir: (args) => (isRecursive(args[1]) ? madeDirs(args) : mkdir(args)),
    mkdtemp: madeTemporary(sync('mkdtemp')),
    rename: carrying(byName([0, 1], 'rename')),
    rm: removed,
    rmdir: (args) => (isRecursive(args[1]) ? removedDir(args) : rmdir(args)),
    symlink: byName([1], 'symlink'),
    truncate: byFile(O_WRONLY, 'ftruncate'),
    unlink: byName([0], 'unlink'),
    utimes: byFile(O_RDONLY, 'futimes'),
  }
  const promises = functionsOf(fs.promises)
  const copying = (original: NodeFunction): NodeFunction =>
    function (...args) {
      refuseLinks(args)
      return original.apply(this, filtered(args))
    }
  replace(node, 'cpSync', copying)
  replace(
    promises,
    'cp',
    (original) =>
      async (...args) =>
        copying(original)(...args),
  )
  replace(node, 'cp', (original) => {
    const checked: NodeFunction = (...args) => original(...filtered(args))
    return withCallback(checked, (args) => refuseLinks(args))
  })
  for (const [name, instead] of Object.entries(calls)) {
    replace(node, `${name}Sync`, (original) => {
      const checked = afterCheck(original)
      return function (...args) {
        const done = instead(args)
        return done === undefined ? checked.apply(this, args) : done.result
      }
    })
    replace(node, name, (original) =>
      withCallback(afterCheck(original), (args) => {
        const done = instead(args)
        return done === undefined ? undefined : [null, done.result]
      }),
    )
    replace(promises, name, (original) => {
      const checked = afterCheck(original)
      return async (...args) => {
        const done = instead(args)
        return done === undefined ? checked(...args) : done.result
      }
    })
  }
}

/** Names whose last part is the entry itself: the call happens in its directory, whatever becomes of the way to it. */
function inDirectories(positions: readonly number[], sync: (...args: unknown[]) => unknown): GuardedCall {
  return (args) => {
    const held = positions.flatMap((at) => {
      const name = nameOf(args[at])
      const entry = name === undefined ? undefined : heldEntry(name)
      return entry === undefined ? [] : [{ at, ...entry }]
    })
    if (held.length === 0) return undefined
    const call = (given: readonly unknown[], [next, ...rest]: typeof held): unknown =>
      next === undefined ? sync(...given) : within(next, (path) => call(given.with(next.at, path), rest))
    return { result: call(args, held) }
  }
}

/** A name whose end is followed if it is a link. */
function inFile(flags: number, sync: (...args: unknown[]) => unknown): GuardedCall {
  return (args) => {
    const name = nameOf(args[0])
    const place = name === undefined ? undefined : heldPlace(name, 'write')
    if (place === undefined || fs.statSync(place, { throwIfNoEntry: false })?.isFile() !== true) return undefined
    return {
      result: withOpen(
        unjudged(() => openSafely(place, flags, 0)),
        (fd) => sync(fd, ...args.slice(1)),
      ),
    }
  }
}

function madeDirs([path]: readonly unknown[]): { readonly result: undefined } | undefined {
  const name = nameOf(path)
  const place = name === undefined ? undefined : heldPlace(name, 'write')
  if (place === undefined) return undefined
  return { result: unjudged(() => withDirectory(place, 'make', () => undefined)) }
}

/** Node removes a tree by names, of which any may become a link meanwhile. */
const removed: GuardedCall = ([path, options]) => {
  const isWhole = isRecursive(options)
  const name = nameOf(path)
  const entry = name === undefined ? undefined : heldEntry(name, isWhole ? 'below' : 'there')
  if (entry === undefined) return undefined
  try {
    within(entry, (at) => {
      if (isWhole) return removeTree(Buffer.from(at))
      if (fs.lstatSync(at).isDirectory()) throw isDirectory(name)
      fs.unlinkSync(at)
    })
  } catch (error) {
    const isForced = isFields(options) && options.force === true
    if (!isForced || codeOf(error) !== 'ENOENT') throw error
  }
  return { result: undefined }
}

const removedDir: GuardedCall = ([path]) => {
  const name = nameOf(path)
  const entry = name === undefined ? undefined : heldEntry(name, 'below')
  return entry === undefined ? undefined : { result: within(entry, (at) => removeDir(Buffer.from(at))) }
}

function within<T>({ dir, end }: { readonly dir: string; readonly end: string }, use: (at: string) => T): T {
  return unjudged(() => withDirectory(dir, 'leave', (open) => use(`${open}/${end}`)))
}

/** Node's error of rm() without `recursive`. */
function isDirectory(path: unknown): Error {
  const text = `Path is a directory: rm returned EISDIR (is a directory) ${String(path)}`
  return Object.assign(new Error(text), { code: 'ERR_FS_EISDIR', errno: 21, syscall: 'rm', path })
}

/** Its argument is the beginning of a name, and may end with the directory. Its result is the name that was asked for. */
function madeTemporary(sync: (...args: unknown[]) => unknown): GuardedCall {
  return ([prefix, ...rest]) => {
    const name = nameOf(prefix)
    const entry = name === undefined ? undefined : heldEntry(`${name}-`)
    if (name === undefined || entry === undefined) return undefined
    const made = within({ ...entry, end: entry.end.slice(0, -1) }, (at) => sync(at, ...rest))
    return { result: name.slice(0, name.lastIndexOf('/') + 1) + basename(String(made)) }
  }
}

/** A call that gives an entry another name. */
function carrying(call: GuardedCall): GuardedCall {
  return (args) => {
    const [from, to] = [nameOf(args[0]), nameOf(args[1])]
    if (from !== undefined && to !== undefined) checkCarried(from, to)
    return call(args)
  }
}

function refuseLinks([from, to]: readonly unknown[]): undefined {
  const [source, target] = [nameOf(from), nameOf(to)]
  if (source !== undefined) heldPlace(source, 'read')
  if (target !== undefined) heldPlace(target, 'write')
}

/** The arguments of cp() with a filter, which Node asks for each name that it copies. */
function filtered([from, to, ...rest]: readonly unknown[]): unknown[] {
  const [given, ...others] = rest.length === 0 || typeof rest[0] === 'function' ? [undefined, ...rest] : rest
  if (given !== undefined && !isFields(given)) return [from, to, ...rest]
  const filter = (source: string, target: string): unknown => {
    heldPlace(source, 'read')
    return typeof given?.filter === 'function' ? Reflect.apply(given.filter, undefined, [source, target]) : true
  }
  return [from, to, { ...given, filter }, ...others]
}

function isRecursive(options: unknown): boolean {
  return isFields(options) && options.recursive === true
}
