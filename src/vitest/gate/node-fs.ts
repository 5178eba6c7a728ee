/** Replaces Node's own functions for files, which every module of this process shares. */
import { fileURLToPath } from 'node:url'
import { codeOf } from '../../errors.js'
import { isFields } from './values.js'

export type NodeFunction = (this: unknown, ...args: unknown[]) => unknown
type NodeFunctions = Record<string, NodeFunction>

/** The name in an argument; undefined for a descriptor, and for arguments that Node itself rejects. */
export function nameOf(path: unknown): string | undefined {
  if (typeof path === 'string') return path
  if (path instanceof Uint8Array) return Buffer.from(path).toString()
  return isUrl(path) && path.protocol === 'file:' ? fileURLToPath(path) : undefined
}

/** Node's own rule: lib/internal/url.js, isURL. */
function isUrl(path: unknown): path is URL {
  if (!isFields(path)) return false
  const { href, protocol, auth, path: older } = path
  return Boolean(href) && Boolean(protocol) && auth === undefined && older === undefined
}

/** Node's types have a type for each function; here they are all the same. */
export function functionsOf(module: unknown): NodeFunctions {
  return module as NodeFunctions
}

export function replace(of: NodeFunctions, name: string, by: (original: NodeFunction) => NodeFunction): void {
  const original = of[name]
  if (original === undefined) throw new TypeError(`this Node has no fs.${name}`)
  const made = by(original)
  for (const key of ['name', 'length'] as const)
    Object.defineProperty(made, key, { value: original[key], configurable: true })
  // promisify() and others keep properties on a function, and `native` is one.
  for (const key of Reflect.ownKeys(original))
    if (!Object.hasOwn(made, key))
      Object.defineProperty(made, key, Object.getOwnPropertyDescriptor(original, key) ?? {})
  of[name] = made
}

/** Wraps a function with a callback. `answer`: the callback's arguments; undefined if Node does the work itself. */
export function withCallback(
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

/**
 * The functions that those of Node call by name at each call. A module that copied Node's own functions before they were
 * replaced comes through these all the same. Undefined for a Node that keeps them to itself.
 */
export function functionsBelow(): NodeFunctions | undefined {
  const binding: unknown = Reflect.get(process, 'binding')
  if (typeof binding !== 'function') return undefined
  try {
    return functionsOf(Reflect.apply(binding, process, ['fs']))
  } catch (error) {
    // Node's permission model takes them away.
    if (codeOf(error) === 'ERR_ACCESS_DENIED') return undefined
    throw error
  }
}
