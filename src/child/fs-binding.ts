/**
 * Node's own binding for files. Loaded before everything else: Node 20's `import` takes `internalModuleStat` from it for good once
 * anything is resolved by a package's `exports`, as koffi is.
 */
import { STAT } from '../modules/format.js'

export type BindingFunction = (...args: readonly unknown[]) => unknown

/** The functions of `internalBinding('fs')` that are used: src/node_file.cc. */
export interface FsBinding {
  internalModuleStat: BindingFunction
  lstat: BindingFunction
  readFileUtf8: BindingFunction
  open: BindingFunction
  fstat: BindingFunction
  read: BindingFunction
  close: BindingFunction
  readonly statValues: Float64Array
  readonly bigintStatValues: BigInt64Array
}

/** Undefined where this Node does not give it, or would say that somebody asked. */
function find(): FsBinding | undefined {
  const given = [process.env.NODE_OPTIONS ?? '', ...process.execArgv].join(' ')
  const isNoticed = process.env.NODE_PENDING_DEPRECATION === '1' || /--pending[-_]deprecation/.test(given)
  // With --permission it throws.
  if (isNoticed || process.permission !== undefined || !('binding' in process)) return undefined
  // Deprecated, and so without a type; it is what lib/fs.js itself calls, as long as it has these functions.
  const binding = (process as unknown as { binding(name: string): FsBinding }).binding('fs')
  const needed = ['internalModuleStat', 'lstat', 'readFileUtf8', 'open', 'fstat', 'read', 'close'] as const
  const isKnown =
    needed.every((name) => typeof binding[name] === 'function') &&
    binding.statValues instanceof Float64Array &&
    binding.bigintStatValues instanceof BigInt64Array &&
    binding.bigintStatValues.length >= STAT.fields
  return isKnown ? binding : undefined
}

export const fsBinding = find()

let kindOf: ((path: string) => number | undefined) | undefined

/** `kind`: what `internalModuleStat` says of a path, undefined where it is to ask. It never throws. */
export function answerKinds(kind: (path: string) => number | undefined): void {
  kindOf = kind
}

if (fsBinding !== undefined) {
  const real = fsBinding.internalModuleStat
  // Of some releases the first argument is the receiver.
  fsBinding.internalModuleStat = (...args) => {
    const path = args.length === 1 ? args[0] : args[1]
    const known = typeof path === 'string' ? kindOf?.(path) : undefined
    return known ?? Reflect.apply(real, fsBinding, args)
  }
}
