/**
 * Closes descriptors that take long to close, in libuv's thread pool of the main thread: a broker thread has other
 * calls to answer.
 */
import { close } from 'node:fs'

/** Closes under way at a time: the pool has four threads, and other work. */
const AT_ONCE = 2

export class SlowCloses {
  readonly #waiting: { readonly fd: number; readonly closed: () => void }[] = []
  #under = 0

  /** Queues a descriptor. `closed` is called once it is closed. */
  add(fd: number, closed: () => void): void {
    this.#waiting.push({ fd, closed })
    this.#next()
  }

  #next(): void {
    if (this.#under === AT_ONCE) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#under++
    // close(2): the number is free whatever the result.
    close(next.fd, () => {
      this.#under--
      next.closed()
      this.#next()
    })
  }
}

/** The queue of the whole process. */
export const slowCloses = new SlowCloses()
