/** Node's own bindings, which lie below everything that a test can see or replace. */

export type BindingMethod = (this: unknown, ...args: unknown[]) => unknown
type BindingMethods = Record<string, unknown>

/**
 * True if bindings can be used. With --pending-deprecation Node would warn of `process.binding`, which a test would
 * see: then a message without a line in the source is better. With --permission it throws.
 */
export function hasBindings(): boolean {
  const given = [process.env.NODE_OPTIONS ?? '', ...process.execArgv].join(' ')
  const isNoticed = process.env.NODE_PENDING_DEPRECATION === '1' || /--pending[-_]deprecation/.test(given)
  return 'binding' in process && !isNoticed && process.permission === undefined
}

export function bindingOf(name: string): BindingMethods {
  // process.binding is undocumented, but exists: it gives the same objects that Node's own modules call.
  const { binding } = process as unknown as { binding: (name: string) => unknown }
  const found = binding(name)
  return found instanceof Object || (typeof found === 'object' && found !== null) ? (found as BindingMethods) : {}
}

export function wrap(owner: BindingMethods, name: string, around: (original: BindingMethod) => BindingMethod): void {
  const original = owner[name]
  // The set of methods depends on Node's version.
  if (typeof original === 'function') owner[name] = around(original as BindingMethod)
}

/** The methods of a handle; none if this Node does not have it. */
export function prototypeOf(module: string, name: string): BindingMethods {
  const handle = bindingOf(module)[name]
  const prototype: unknown = typeof handle === 'function' ? handle.prototype : undefined
  // The cast: a prototype is an object of methods.
  return prototype instanceof Object ? (prototype as BindingMethods) : {}
}
