/** A value that is made again only once it would be made from other objects than the last time. */
export class Memo<T> {
  #last: { readonly from: readonly unknown[]; readonly value: T } | undefined

  /** The value for these objects, which are compared by identity. */
  get(from: readonly unknown[], make: () => T): T {
    const last = this.#last
    if (last?.from.length === from.length && from.every((one, at) => one === last.from[at])) return last.value
    const value = make()
    this.#last = { from, value }
    return value
  }
}
