/**
 * Runs calls that look at a name before they act on it, while no other broker thread changes names in its directory.
 */
import { Errno } from '../abi/errno.js'
import type { Call, Reply } from './call.js'
import { failed } from './outcome.js'
import type { Place } from './place.js'
import type { NameHeld, NamesHeld } from './ports.js'

/**
 * Acts on one held name. `anew` repeats the whole call if the decision rests on a policy or a look that no longer
 * holds.
 */
export function alone(call: Call, place: Place, act: (name: NameHeld) => Reply, anew: () => Reply): Reply {
  return bothAlone(call, place, place, ({ to }) => act(to), anew)
}

/** Acts on two held names at once. */
export function bothAlone(
  call: Call,
  from: Place,
  to: Place,
  act: (names: NamesHeld) => Reply,
  anew: () => Reply,
): Reply {
  const decidedBy = call.policy
  const again = (): Reply => {
    if (call.policy !== decidedBy) return anew()
    const reply = once('none')
    return failed(reply) && reply.errno === Errno.ELOOP ? anew() : reply
  }
  const once = (patience: 'wait' | 'none'): Reply => {
    const held = call.kernel.hold(from, to, patience)
    if (failed(held)) return held
    if (held === 'taken') return { kind: 'later', again, cancel: () => {} }
    using names = held
    return act(names)
  }
  return once('wait')
}

/**
 * Acts on a name without holding it, once no call that may sleep holds the directory: otherwise the kernel would let
 * this thread sleep with it.
 */
export function whenAwake(call: Call, place: Place, act: () => Reply, anew: () => Reply): Reply {
  if (!call.kernel.isBusy(place)) return act()
  const decidedBy = call.policy
  const again = (): Reply => (call.policy === decidedBy ? whenAwake(call, place, act, anew) : anew())
  return { kind: 'later', again, cancel: () => {} }
}
