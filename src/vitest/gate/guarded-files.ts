/**
 * Keeps Vitest's own process from following a link that a test may have made. Reporters, providers and plugins read and
 * write by name, at any time. Where a test may write, Node's own functions therefore use exactly the file that the name
 * leads to without such a link, or fail.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'
import util from 'node:util'
import { guardAddons } from './guarded-addons.js'
import { afterCheck, guardBelow, useOf } from './guarded-below.js'
import { guardLookups } from './guarded-lookups.js'
import { guardNames } from './guarded-names.js'
import { addGuard, heldPlace, mayBeOfTest } from './guarded-places.js'
import { functionsOf, nameOf, replace, withCallback, type NodeFunction } from './node-fs.js'
import { unjudged } from './reads.js'
import { inDirectory, openSafely, readSafely, withOpen } from './safe-open.js'
import { isFields } from './values.js'
import type { Writes } from './writes.js'

/**
 * Guards files for the rest of this process's life: a link still exists after Vitest has closed. `refused` is called
 * for each file that was not read or written.
 */
export function guardFiles(writes: Writes, refused: (why: string) => void): void {
  install()
  addGuard(writes, refused)
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
  const name = nameOf(path)
  if (name === undefined || flags === undefined) return undefined
  return heldPlace(name, useOf(flags))
}

function openHeld(place: string, flags: number, mode: number): number {
  return unjudged(() => openSafely(place, flags, mode))
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
    withOpen(openHeld(place, flags, modeOf(option(options, 'mode'))), (fd) => {
      // Node accepts the same options for a descriptor as for a name.
      functionsOf(fs).writeFileSync?.(fd, data, typeof options === 'function' ? undefined : options)
    })
    return true
  }
}

const copied: Instead = ([from, to, how]) => {
  const isExclusive = typeof how === 'number' && (how & fs.constants.COPYFILE_EXCL) !== 0
  const flags = O_WRONLY | O_CREAT | O_TRUNC | (isExclusive ? O_EXCL : 0)
  const [source, place] = [heldFor(from, O_RDONLY), heldFor(to, flags)]
  const [name, target] = [nameOf(from), nameOf(to)]
  if ((source === undefined && place === undefined) || name === undefined || target === undefined) return false
  const real = source ?? fs.realpathSync(name)
  const content = unjudged(() => readSafely(real, LARGEST))
  const mode = fs.statSync(real).mode & 0o777
  if (place === undefined) fs.writeFileSync(target, content, { mode, flag: isExclusive ? 'wx' : 'w' })
  else withOpen(openHeld(place, flags, mode), (fd) => fs.writeFileSync(fd, content))
  return true
}

/** The content of a file in the form that was asked for; undefined to leave the work to Node. */
function readWhole([path, options]: readonly unknown[]): { readonly content: unknown } | undefined {
  const flags = flagsOf(option(options, 'flag') ?? 'r')
  const place = heldFor(path, flags)
  if (place === undefined || flags === undefined) return undefined
  const encoding = typeof options === 'string' ? options : option(options, 'encoding')
  return withOpen(openHeld(place, flags, 0), (fd) => ({ content: functionsOf(fs).readFileSync?.(fd, encoding) }))
}

const LARGEST = 512 * 1024 * 1024

let isInstalled = false

function install(): void {
  if (isInstalled) return
  isInstalled = true
  guardAddons(mayBeOfTest)
  const [plain, promises] = [functionsOf(fs), functionsOf(fs.promises)]
  for (const [name, instead] of [
    ['writeFile', written('w')],
    ['appendFile', written('a')],
    ['copyFile', copied],
  ] as const) {
    guard(plain, `${name}Sync`, (original) => synchronous(original, instead))
    guard(plain, name, (original) => withCallback(original, (args) => (instead(args) ? [null] : undefined)))
    guard(
      promises,
      name,
      (original) =>
        async (...args) =>
          instead(args) ? undefined : original(...args),
    )
  }
  guard(
    plain,
    'readFileSync',
    (original) =>
      function (...args) {
        const whole = readWhole(args)
        return whole === undefined ? original.apply(this, args) : whole.content
      },
  )
  guard(plain, 'readFile', (original) =>
    withCallback(original, (args) => {
      const whole = readWhole(args)
      return whole === undefined ? undefined : [null, whole.content]
    }),
  )
  guard(promises, 'readFile', (original) => async (...args) => {
    const whole = readWhole(args)
    return whole === undefined ? original(...args) : whole.content
  })
  guard(
    plain,
    'openSync',
    (original) =>
      (...args) =>
        opened(args) ?? original(...args),
  )
  guard(plain, 'open', (original) =>
    withCallback(original, (args) => {
      const fd = opened(args)
      return fd === undefined ? undefined : [null, fd]
    }),
  )
  guard(promises, 'open', (original) => async (...args) => {
    const [path, letters, mode] = args
    const flags = flagsOf(letters ?? 'r')
    const place = heldFor(path, flags)
    if (place === undefined || flags === undefined) return original(...args)
    const { O_NOFOLLOW, O_NONBLOCK } = fs.constants
    return unjudged(() =>
      inDirectory(place, (dir) => original(`${dir}/${basename(place)}`, flags | O_NOFOLLOW | O_NONBLOCK, mode)),
    )
  })
  guard(plain, 'openAsBlob', (original) => async (...args) => {
    const [path, options] = args
    const place = heldFor(path, O_RDONLY)
    if (place === undefined) return original(...args)
    const content = withOpen(openHeld(place, O_RDONLY, 0), (fd) => fs.readFileSync(fd))
    const type = option(options, 'type')
    return new Blob([content], typeof type === 'string' ? { type } : {})
  })
  guardEnvFiles()
  guardNames()
  guardLookups()
  guardBelow()
  syncBuiltinESMExports()
}

/** Not every Node has process.loadEnvFile(), and none without has util.parseEnv(). */
function guardEnvFiles(): void {
  const of = functionsOf(process)
  if (of.loadEnvFile === undefined) return
  replace(
    of,
    'loadEnvFile',
    (original) =>
      function (...args) {
        const whole = readWhole([args[0] ?? '.env', 'utf8'])
        if (whole === undefined) return original.apply(this, args)
        for (const [name, value] of Object.entries(util.parseEnv(String(whole.content)))) process.env[name] ??= value
        return undefined
      },
  )
}

function guard(of: Record<string, NodeFunction>, name: string, by: (original: NodeFunction) => NodeFunction): void {
  replace(of, name, (original) => by(afterCheck(original)))
}

function opened([path, letters, mode]: readonly unknown[]): number | undefined {
  const flags = flagsOf(typeof letters === 'function' ? 'r' : (letters ?? 'r'))
  const place = heldFor(path, flags)
  return place === undefined || flags === undefined ? undefined : openHeld(place, flags, modeOf(mode))
}

function synchronous(original: NodeFunction, instead: Instead): NodeFunction {
  return function (...args) {
    return instead(args) ? undefined : original.apply(this, args)
  }
}
