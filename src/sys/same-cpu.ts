/**
 * Keeps a target on the broker thread's CPU while it takes a descriptor. SECCOMP_IOCTL_NOTIF_ADDFD wakes the target, and
 * the scheduler moves it to a CPU that is idle; SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP only brings it back with the answer.
 * Each open(2) then took 47 µs instead of 15 on two CPUs of which one was idle. sched_setaffinity(2).
 */
import { numberOf, Pinned, sys3 } from './raw.js'

const N = {
  getcpu: numberOf('getcpu'),
  get: numberOf('sched_getaffinity'),
  set: numberOf('sched_setaffinity'),
}
/** Bytes of a mask: as many CPUs as any kernel is built for (NR_CPUS of arch/x86/Kconfig is at most 8192). */
const MASK = 1024

export class SameCpu {
  readonly #before = new Pinned(MASK)
  readonly #one = new Pinned(MASK)
  readonly #cpu = new Pinned(8)

  /**
   * Runs `act`, during which the thread may run on this CPU alone. If the thread may not run here at all, runs nowhere
   * else anyway, or belongs to another user, its CPUs are left alone. Should it be gone, and the number another's, that
   * one gets back what was read from it.
   */
  during<T>(tid: number, act: () => T): T {
    const length = this.#hold(tid)
    try {
      return act()
    } finally {
      if (length > 0) sys3(N.set, tid, length, this.#before.address)
    }
  }

  /** Returns the length of the mask before, in bytes, or 0 if nothing was changed. */
  #hold(tid: number): number {
    const length = sys3(N.get, tid, MASK, this.#before.address)
    if (length <= 0 || sys3(N.getcpu, this.#cpu.address, 0, 0) !== 0) return 0
    const cpu = this.#cpu.words[0] ?? 0
    const [at, bit] = [cpu >>> 5, (1 << (cpu & 31)) >>> 0]
    const before = this.#before.words.subarray(0, length >>> 2)
    const own = before[at] ?? 0
    const isAlone = before.every((word, index) => word === (index === at ? bit : 0))
    if ((own & bit) === 0 || isAlone) return 0
    this.#one.words[at] = bit
    const result = sys3(N.set, tid, length, this.#one.address)
    this.#one.words[at] = 0
    return result === 0 ? length : 0
  }
}
