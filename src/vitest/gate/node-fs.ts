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

/**
 * Wraps a function with a callback. `answer`: the callback's arguments; undefined if Node does the work itself.
 * `besideError`: what a callback gets besides an error.
 */
export function withCallback(
  original: NodeFunction,
  answer: (args: readonly unknown[]) => readonly unknown[] | undefined,
  besideError: readonly unknown[] = [],
): NodeFunction {
  return function (...args) {
    const callback = args.at(-1)
    if (typeof callback !== 'function') return original.apply(this, args)
    try {
      const result = answer(args.slice(0, -1))
      return result === undefined ? original.apply(this, args) : process.nextTick(callback, ...result)
    } catch (error) {
      return process.nextTick(callback, error, ...besideError)
    }
  }
}

/** True while something is under way, which may call itself. */
export class Underway {
  isOn = false

  during<T>(run: () => T): T {
    const before = this.isOn
    this.isOn = true
    try {
      return run()
    } finally {
      this.isOn = before
    }
  }
}

/**
 * The functions that those of Node call by name at each call. A module that copied Node's own functions before they were
 * replaced comes through these all the same. Undefined for a Node that keeps them to itself.
 */
function functionsBelow(): NodeFunctions | undefined {
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

/**
 * Replaces functions below those of Node, as far as this Node has them. `instead` does a call's work; undefined to leave
 * it to Node.
 */
export function replaceBelow(
  names: readonly string[],
  instead: (name: string, args: readonly unknown[]) => { readonly result: unknown } | undefined,
): void {
  const below = functionsBelow()
  if (below === undefined) return
  for (const name of names.filter((one) => one in below))
    replace(
      below,
      name,
      (original) =>
        function (...args) {
          let done: ReturnType<typeof instead>
          try {
            done = instead(name, args)
          } catch (error) {
            return failBelow(error, args)
          }
          return done === undefined ? original.apply(this, args) : done.result
        },
    )
}

/** Fails as these functions do: by the request, by a promise, which a symbol asks for, or by an exception. */
function failBelow(error: unknown, args: readonly unknown[]): unknown {
  if (args.some((arg) => typeof arg === 'symbol')) return Promise.reject(error)
  const request = args.find((arg) => isFields(arg) && typeof arg.oncomplete === 'function')
  if (!isFields(request) || typeof request.oncomplete !== 'function') throw error
  const { oncomplete } = request
  return process.nextTick(() => Reflect.apply(oncomplete, request, [error]))
}
