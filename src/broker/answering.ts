import type { Listener, NotificationId } from '../sys/listener.js'
import type { LinuxTarget } from '../sys/target.js'
/** Gives a reply to the thread that waits for it: a value, an errno, descriptors, or leave to go on. */
import type { Reply } from '../syscalls/call.js'
import { failed, type Fail } from '../syscalls/outcome.js'

type Pair = Extract<Reply, { kind: 'pair' }>

export class Answering {
  /** `holder`: who is told the number of each descriptor that the current call makes. */
  constructor(
    readonly target: LinuxTarget,
    readonly holder: () => (number: number) => void,
  ) {}

  answer(listener: Listener, id: NotificationId, reply: Exclude<Reply, { kind: 'later' }>): void {
    if (failed(reply)) return void listener.returnError(id, reply.errno)
    switch (reply.kind) {
      case 'value':
        return void listener.returnValue(id, reply.value)
      case 'continue':
        listener.letContinue(id)
        // A new program is a new address space under the same number.
        if (reply.reason === 'landlock-decides' || reply.reason === 'unsafe-by-option') this.target.reset()
        return
      case 'gone':
        return
      case 'descriptor': {
        const hold = this.holder()
        const added = listener.addAndReturn(id, reply.fd, reply.cloexec)
        reply.fd.close()
        // EMFILE and the like: the target's errno. A stale id needs no answer, and gets ENOENT here as well.
        if (failed(added)) listener.returnError(id, added.errno)
        else hold(added)
        return
      }
      case 'pair':
        return void this.#answerPair(listener, id, reply)
      default:
        return reply satisfies never
    }
  }

  #answerPair(listener: Listener, id: NotificationId, pair: Pair): boolean {
    const result = this.#injectPair(listener, id, pair)
    pair.fds[0].close()
    pair.fds[1].close()
    return failed(result) ? listener.returnError(id, result.errno) : listener.returnValue(id, 0)
  }

  #injectPair(listener: Listener, id: NotificationId, { fds, cloexec, pointer }: Pair): Fail | true {
    const numbers = Buffer.alloc(8)
    // pipe(2) leaves nothing behind on EFAULT: the memory is tried before a descriptor is put into the target.
    const writable = this.target.writeBytes(pointer, numbers)
    if (failed(writable)) return writable
    const hold = this.holder()
    const first = listener.add(id, fds[0], cloexec)
    if (failed(first)) return first
    const second = listener.add(id, fds[1], cloexec)
    if (failed(second)) return second
    numbers.writeInt32LE(first, 0)
    numbers.writeInt32LE(second, 4)
    const written = this.target.writeBytes(pointer, numbers)
    if (failed(written)) return written
    hold(first)
    hold(second)
    return true
  }
}
