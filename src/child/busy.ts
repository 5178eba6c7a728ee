/**
 * The descriptors of sockets that keep this process alive. A socket that does not is one that an HTTP client keeps for
 * its next request, which is no leak.
 */
export function busySockets(): number[] {
  // Undocumented, but in every Node: the objects behind handles that keep the event loop alive.
  const handles: unknown =
    '_getActiveHandles' in process && typeof process._getActiveHandles === 'function' ? process._getActiveHandles() : []
  return (Array.isArray(handles) ? handles : []).flatMap((handle: unknown) => {
    const inner: unknown = handle instanceof Object && '_handle' in handle ? handle._handle : undefined
    const fd: unknown = inner instanceof Object && 'fd' in inner ? inner.fd : undefined
    return typeof fd === 'number' && fd >= 0 ? [fd] : []
  })
}
