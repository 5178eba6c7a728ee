/**
 * Node's own binding for files. It is loaded before everything else: Node 20's `import` takes `internalModuleStat` from
 * it for good as soon as anything is resolved by a package's `exports`, as koffi is.
 */
import { STAT } from '../modules/format.js'
import { bindingOf, hasBindings } from './bindings.js'

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

/** Returns the binding; undefined if this Node does not give it, or would warn about its use. */
function find(): FsBinding | undefined {
  if (!hasBindings()) return undefined
  // The cast: lib/fs.js itself calls this object; its functions are checked below.
  const binding = bindingOf('fs') as unknown as FsBinding
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

/**
 * Sets the function that answers `internalModuleStat` for a path; undefined means that the binding is asked. It must
 * not throw.
 */
export function answerKinds(kind: (path: string) => number | undefined): void {
  kindOf = kind
}

if (fsBinding !== undefined) {
  const real = fsBinding.internalModuleStat
  // In some releases the first argument is the receiver.
  fsBinding.internalModuleStat = (...args) => {
    const path = args.length === 1 ? args[0] : args[1]
    const known = typeof path === 'string' ? kindOf?.(path) : undefined
    return known ?? Reflect.apply(real, fsBinding, args)
  }
}
