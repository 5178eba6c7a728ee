/**
 * Puts a module table in front of the functions of Node's own binding through which its module loaders, and `fs`, ask the
 * kernel. Only what succeeds, or is not there, is answered from the table: every error is the kernel's own.
 *
 * What is answered and where, by Node's sources (lib/fs.js, lib/internal/modules/):
 *
 *     internalModuleStat   require, import; of Node 20's require: Module._stat
 *     lstat, as bigint     fs.realpathSync
 *     readFileUtf8         fs.readFileSync(path, 'utf8'): CommonJS and JSON
 *     open fstat read close   fs.readFileSync(path): ES modules of Node 22 and later
 */
import fs from 'node:fs'
import Module from 'node:module'
import { STAT } from '../modules/format.js'
import type { ContentSpan, ModuleTable } from '../modules/table.js'
import { answerKinds, fsBinding, type BindingFunction, type FsBinding } from './fs-binding.js'

/** O_RDONLY, and the mode that is passed where nothing is made. */
const READ_ONLY = 0
const MODE = 0o666
/** Stands for a descriptor while fs.readFileSync runs, and is out of its reach before and after. */
const STAND_IN = 0x3fff_fff0

const { captureStackTrace } = Error

/** Once, before anything else is loaded. `own`: where this package's own modules for workers are, as file: URL. */
export function answerFrom(table: ModuleTable, own: string): void {
  const binding = fsBinding
  if (binding === undefined) return
  answerKinds((path) => table.kindOf(path))
  if (process.versions.node.startsWith('20.')) answerStatOf20(table)
  answerLstat(binding, table)
  answerText(binding, table)
  answerReading(binding, table, own)
}

/** Calls what stands behind a wrapper; an error that it throws does not tell of the wrapper. */
function passOn(
  real: BindingFunction,
  binding: FsBinding,
  args: readonly unknown[],
  wrapper: BindingFunction,
): unknown {
  try {
    return Reflect.apply(real, binding, args)
  } catch (error) {
    // The binding throws where its caller stands: nothing but the wrapper and this function is above that.
    if (error instanceof Error) captureStackTrace(error, wrapper)
    throw error
  }
}

/** Node 20's require took the binding's function before anybody could put another in its place. */
function answerStatOf20(table: ModuleTable): void {
  // Not documented: lib/internal/modules/cjs/loader.js of Node 20.
  const loader = Module as unknown as { _stat: (path: string) => number }
  const real = loader._stat
  const { emitWarning } = process
  // Setting it is an experiment of whoever sets it; this one is no business of the user's.
  process.emitWarning = () => {}
  try {
    loader._stat = (path) => table.kindOf(path) ?? real(path)
  } finally {
    process.emitWarning = emitWarning
  }
}

function answerLstat(binding: FsBinding, table: ModuleTable): void {
  const real = binding.lstat
  const lstat: BindingFunction = (...args) => {
    const [path, isBigint, request, throws] = args
    const isPlain = isBigint === true && request === undefined && throws === true && typeof path === 'string'
    if (isPlain && table.lstat(path, binding.bigintStatValues)) return binding.bigintStatValues
    return passOn(real, binding, args, lstat)
  }
  binding.lstat = lstat
}

function answerText(binding: FsBinding, table: ModuleTable): void {
  const real = binding.readFileUtf8
  const readFileUtf8: BindingFunction = (...args) => {
    const [path, flags] = args
    const content = typeof path === 'string' && flags === READ_ONLY ? table.contentOf(path) : undefined
    return content === undefined ? passOn(real, binding, args, readFileUtf8) : table.text(content)
  }
  binding.readFileUtf8 = readFileUtf8
}

/**
 * Within fs.readFileSync a descriptor is opened, read and closed, and nobody else gets to see it: there, and only there, a
 * number stands in for it.
 */
function answerReading(binding: FsBinding, table: ModuleTable, own: string): void {
  const { open, fstat, read, close, statValues } = binding
  const { readSync, closeSync } = fs
  let content: ContentSpan | undefined
  let position = 0
  binding.open = function opens(...args) {
    const [path, flags, mode] = args
    if (args.length === 3 && flags === READ_ONLY && mode === MODE && typeof path === 'string') {
      const found = content === undefined ? table.contentOf(path) : undefined
      const isWatched = fs.readSync !== readSync || fs.closeSync !== closeSync
      if (found !== undefined && !isWatched && isCalledToReadWhole(opens, own)) {
        content = found
        position = 0
        return STAND_IN
      }
    }
    return passOn(open, binding, args, opens)
  }
  binding.fstat = function stats(...args) {
    if (args[0] !== STAND_IN || content === undefined) return passOn(fstat, binding, args, stats)
    for (let field = 0; field < STAT.fields; field++) statValues[field] = table.numberField(content, field)
    return statValues
  }
  binding.read = function reads(...args) {
    if (args[0] !== STAND_IN || content === undefined) return passOn(read, binding, args, reads)
    // As lib/fs.js calls it: fd, buffer, offset, length, position -1.
    const [, buffer, offset, length] = args as [number, Uint8Array, number, number]
    const count = Math.min(length, content.length - position)
    table.copy(content, position, count, buffer, offset)
    position += count
    return count
  }
  binding.close = function closes(...args) {
    if (args[0] !== STAND_IN || content === undefined) return passOn(close, binding, args, closes)
    content = undefined
    return undefined
  }
}

/** True if what called `wrapper` is fs.openSync, and that was called by fs.readFileSync. In between is at most traces.ts. */
function isCalledToReadWhole(wrapper: BindingFunction, own: string): boolean {
  const before = ['prepareStackTrace', 'stackTraceLimit'].map(
    (name) => [name, Object.getOwnPropertyDescriptor(Error, name)] as const,
  )
  const holder: { stack?: unknown } = {}
  try {
    // Reflect: what is frozen stays as it is, and then the kernel is asked.
    Reflect.set(Error, 'prepareStackTrace', asSites)
    Reflect.set(Error, 'stackTraceLimit', 3)
    captureStackTrace(holder, wrapper)
    if (!Array.isArray(holder.stack)) return false
    // What `asSites` returned.
    const sites = holder.stack as readonly NodeJS.CallSite[]
    const from = sites[0]?.getFileName()?.startsWith(own) === true ? 1 : 0
    return isOfNode(sites[from], 'openSync') && isOfNode(sites[from + 1], 'readFileSync')
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(Error, name)
      else Reflect.defineProperty(Error, name, descriptor)
    }
  }
}

function asSites(_: unknown, sites: readonly NodeJS.CallSite[]): unknown {
  return sites
}

function isOfNode(site: NodeJS.CallSite | undefined, name: string): boolean {
  return site?.getFunctionName() === name && site.getFileName() === 'node:fs'
}
