/**
 * The descriptors of sockets that would keep this process alive. One that does not is kept for the next request by an HTTP
 * client, which is no leak.
 */
export function busySockets(): number[] {
  // Undocumented, and in every Node: the objects behind handles that hold the loop.
  const handles: unknown =
    '_getActiveHandles' in process && typeof process._getActiveHandles === 'function' ? process._getActiveHandles() : []
  return (Array.isArray(handles) ? handles : []).flatMap((handle: unknown) => {
    const inner: unknown = handle instanceof Object && '_handle' in handle ? handle._handle : undefined
    const fd: unknown = inner instanceof Object && 'fd' in inner ? inner.fd : undefined
    return typeof fd === 'number' && fd >= 0 ? [fd] : []
  })
}
