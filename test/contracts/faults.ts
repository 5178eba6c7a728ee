/** Fault injection around any port: the n-th call fails, or the target is gone from the n-th call on. */
import { Errno } from '../../src/abi/errno.js'
import { Fail } from '../../src/syscalls/outcome.js'

export interface FaultPlan {
  /** Which port call fails, counted from 0; none where undefined. */
  readonly at?: number
  readonly errno?: number
  /** From which call on the notification is stale. */
  readonly goneFrom?: number
}

/** Answers that are no Outcome and so cannot fail. */
const PLAIN: ReadonlySet<string | symbol> = new Set([
  'fifoHasWriter',
  'isBlocking',
  'isBusy',
  'isHere',
  'isOver',
  'isReady',
  'mountsOnDemand',
  'now',
  'openToEmpty',
  'receiveLimits',
  'takesDescriptors',
  'relationTo',
  'relationToGroup',
  'stillWaiting',
  'close',
])

/** Counts the calls of all ports that it guards together, so that one number names one point of a handler's run. */
export class Faults {
  calls = 0

  constructor(readonly plan: FaultPlan = {}) {}

  guard<P extends object>(port: P): P {
    return new Proxy(port, {
      get: (target, key): unknown => {
        const member: unknown = Reflect.get(target, key, target)
        if (typeof member === 'object' && member !== null && key === 'sockets') return this.guard(member)
        if (typeof member !== 'function') return member
        return (...args: unknown[]): unknown => {
          const call = this.calls++
          if (key === 'stillWaiting' && this.plan.goneFrom !== undefined && call >= this.plan.goneFrom) return false
          if (call === this.plan.at && !PLAIN.has(key)) return Fail.of(this.plan.errno ?? Errno.EIO)
          return Reflect.apply(member, target, args)
        }
      },
    })
  }
}
