/**
 * Keeps a target and its broker thread on one CPU while the target takes a descriptor. SECCOMP_IOCTL_NOTIF_ADDFD wakes
 * the target and waits for it; where another CPU idles, the scheduler moves one of the two there, and
 * SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP only brings them together again with the answer. Each open(2) then took 86 µs
 * instead of 22 on two CPUs. sched_setaffinity(2).
 */
import { failed, type Outcome } from '../syscalls/outcome.js'
import { numberOf, Pinned, sys3 } from './raw.js'

const N = {
  getcpu: numberOf('getcpu'),
  get: numberOf('sched_getaffinity'),
  set: numberOf('sched_setaffinity'),
}
/** Bytes of a mask: as many CPUs as any kernel is built for (NR_CPUS of arch/x86/Kconfig is at most 8192). */
const MASK = 1024
/** The calling thread. */
const SELF = 0

export class SameCpu {
  readonly #before = new Pinned(MASK)
  readonly #own = new Pinned(MASK)
  readonly #one = new Pinned(MASK)
  readonly #after = new Pinned(MASK)
  readonly #cpu = new Pinned(8)

  /**
   * Runs `act`, during which the thread `tid` and the calling one may run on this CPU alone. If one of them may not run
   * here at all, runs nowhere else anyway, or belongs to another user, its CPUs are left alone. Should `act` fail because
   * the thread is gone, and its number be another's, that one is left alone as well, or gets back what was read from it.
   */
  during<T>(tid: number, act: () => Outcome<T>): Outcome<T> {
    const cpu = sys3(N.getcpu, this.#cpu.address, 0, 0) === 0 ? this.#cpu.words[0] : undefined
    // This thread as well: woken by the target, it would be the one to move.
    const own = cpu === undefined ? 0 : this.#hold(SELF, cpu, this.#own)
    const length = cpu === undefined ? 0 : this.#hold(tid, cpu, this.#before)
    let done: Outcome<T> | undefined
    try {
      done = act()
      return done
    } finally {
      // A thread that has taken its descriptor lives. Who does not may be dead, and its number somebody else's.
      const lives = done !== undefined && !failed(done)
      if (length > 0 && (lives || this.#isStillHeld(tid, cpu ?? 0))) sys3(N.set, tid, length, this.#before.address)
      if (own > 0) sys3(N.set, SELF, own, this.#own.address)
    }
  }

  /** True if the thread may run on this CPU alone, as `during` has set it: otherwise it is another one. */
  #isStillHeld(tid: number, cpu: number): boolean {
    const length = sys3(N.get, tid, MASK, this.#after.address)
    return length > 0 && isAlone(this.#after.words.subarray(0, length >>> 2), cpu)
  }

  /** Puts the mask of before into `mask`. Returns its length, in bytes, or 0 if nothing was changed. */
  #hold(tid: number, cpu: number, mask: Pinned): number {
    const length = sys3(N.get, tid, MASK, mask.address)
    if (length <= 0) return 0
    const [at, bit] = placeOf(cpu)
    const before = mask.words.subarray(0, length >>> 2)
    if (((before[at] ?? 0) & bit) === 0 || isAlone(before, cpu)) return 0
    this.#one.words[at] = bit
    const result = sys3(N.set, tid, length, this.#one.address)
    this.#one.words[at] = 0
    return result === 0 ? length : 0
  }
}

/** The word of a mask that has this CPU, and the bit in it. */
function placeOf(cpu: number): readonly [at: number, bit: number] {
  return [cpu >>> 5, (1 << (cpu & 31)) >>> 0]
}

function isAlone(mask: Uint32Array, cpu: number): boolean {
  const [at, bit] = placeOf(cpu)
  return mask.every((word, index) => word === (index === at ? bit : 0))
}
