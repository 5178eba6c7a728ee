/**
 * Puts a module table in front of the functions of Node's own binding by which its module loaders, and `fs`, ask the
 * kernel. The table answers only for a path that is there, or is known to be missing: every other error comes from the
 * kernel.
 *
 * The answered functions and their callers, by Node's sources (lib/fs.js, lib/internal/modules/):
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
import { compileFrom } from './compiled.js'
import { answerKinds, fsBinding, type BindingFunction, type FsBinding } from './fs-binding.js'
import { withoutWarnings } from './without-warnings.js'

/** O_RDONLY, and the mode that is passed if no file is made. */
const READ_ONLY = 0
const MODE = 0o666
/** The number that stands for a descriptor while fs.readFileSync runs. Nothing else ever gets to see it. */
const STAND_IN = 0x3fff_fff0

const { captureStackTrace } = Error

/**
 * Installs the table. Called once, right before the filter: until then, a call of the kernel takes less time than a
 * look into the table. `own`: the directory of this package's modules for workers, as a file: URL.
 */
export function answerFrom(table: ModuleTable, own: string): void {
  const binding = fsBinding
  if (binding === undefined) return
  answerKinds((path) => table.kindOf(path))
  if (process.versions.node.startsWith('20.')) answerStatOf20(table)
  answerLstat(binding, table)
  answerText(binding, table)
  answerReading(binding, table, own)
  compileFrom(table)
}

/** Calls the function behind a wrapper. The stack of an error that it throws does not show the wrapper. */
function passOn(
  real: BindingFunction,
  binding: FsBinding,
  args: readonly unknown[],
  wrapper: BindingFunction,
): unknown {
  try {
    return Reflect.apply(real, binding, args)
  } catch (error) {
    // The binding throws at its caller, so only the wrapper and this function are above the frames to keep.
    if (error instanceof Error) captureStackTrace(error, wrapper)
    throw error
  }
}

/** Answers the require of Node 20, which keeps the binding's function from before it could be replaced. */
function answerStatOf20(table: ModuleTable): void {
  // Undocumented: lib/internal/modules/cjs/loader.js of Node 20.
  const loader = Module as unknown as { _stat: (path: string) => number }
  const real = loader._stat
  // Node warns that setting it is experimental.
  withoutWarnings(() => {
    loader._stat = (path) => table.kindOf(path) ?? real(path)
  })
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
 * Answers fs.readFileSync, which opens, reads and closes a descriptor that nothing else sees: there, and only there, a
 * number stands in for the descriptor.
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
    // The arguments as lib/fs.js passes them: fd, buffer, offset, length, position -1.
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

/** True if the caller of `wrapper` is fs.openSync, called by fs.readFileSync. At most traces.ts stands in between. */
function isCalledToReadWhole(wrapper: BindingFunction, own: string): boolean {
  const before = ['prepareStackTrace', 'stackTraceLimit'].map(
    (name) => [name, Object.getOwnPropertyDescriptor(Error, name)] as const,
  )
  const holder: { stack?: unknown } = {}
  try {
    // Reflect does not throw on a frozen object: then the stack is unknown, and the kernel is asked.
    Reflect.set(Error, 'prepareStackTrace', asSites)
    Reflect.set(Error, 'stackTraceLimit', 3)
    captureStackTrace(holder, wrapper)
    if (!Array.isArray(holder.stack)) return false
    // The cast: `asSites` returned it.
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
