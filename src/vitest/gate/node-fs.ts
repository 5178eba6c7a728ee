/** Node's own functions for files, which every module of this process shares, and how they are replaced. */
import { fileURLToPath } from 'node:url'

export type NodeFunction = (this: unknown, ...args: unknown[]) => unknown
type NodeFunctions = Record<string, NodeFunction>

/** Undefined for a descriptor, and for what Node refuses by itself. */
export function nameOf(path: unknown): string | undefined {
  if (typeof path === 'string') return path
  if (Buffer.isBuffer(path)) return path.toString()
  return path instanceof URL && path.protocol === 'file:' ? fileURLToPath(path) : undefined
}

/** Node's types have each function's own; here they are all alike. */
export function functionsOf(module: unknown): NodeFunctions {
  return module as NodeFunctions
}

export function replace(of: NodeFunctions, name: string, by: (original: NodeFunction) => NodeFunction): void {
  const original = of[name]
  if (original === undefined) throw new TypeError(`this Node has no fs.${name}`)
  const made = by(original)
  for (const key of ['name', 'length'] as const)
    Object.defineProperty(made, key, { value: original[key], configurable: true })
  // What promisify() and others keep on a function.
  for (const key of Object.getOwnPropertySymbols(original))
    Object.defineProperty(made, key, Object.getOwnPropertyDescriptor(original, key) ?? {})
  of[name] = made
}
