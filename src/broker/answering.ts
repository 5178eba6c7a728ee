/** Gives a reply to the thread that waits for it: a value, an errno, descriptors, or permission to go on. */
import type { Listener, NotificationId } from '../sys/listener.js'
import type { Reply } from '../syscalls/call.js'
import { failed, type Fail } from '../syscalls/outcome.js'
import type { Target } from '../syscalls/ports.js'

type Pair = Extract<Reply, { kind: 'pair' }>

/** The call to answer. */
interface AnsweredCall {
  readonly id: NotificationId
  readonly target: Pick<Target, 'writeBytes'>
}

/** Answers a call. `held` is called with the number of each descriptor that the call makes, before the call returns. */
export function answer(
  listener: Listener,
  call: AnsweredCall,
  reply: Exclude<Reply, { kind: 'later' }>,
  held: (number: number) => void,
): void {
  const { id } = call
  if (failed(reply)) return void listener.returnError(id, reply.errno)
  switch (reply.kind) {
    case 'value':
      return void listener.returnValue(id, reply.value)
    case 'continue':
      return void listener.letContinue(id)
    case 'gone':
      return
    case 'descriptor':
      return void answerDescriptor(listener, id, reply, held)
    case 'received':
      return answerReceived(listener, call.id, reply)
    case 'pair':
      return void answerPair(listener, call, reply, held)
    default:
      return reply satisfies never
  }
}

/**
 * Closes the broker's copy before the target goes on. Otherwise the target's close(2) would not be the last one, and
 * the effect of the last close (a lock goes, a FIFO ends, IN_CLOSE_WRITE) would come later than the call. If the answer
 * no longer finds the thread, the thread or its process was killed: nobody is left who could miss the number.
 *
 * Before Linux 5.19 any signal may take a thread out of the call between the two steps. It would make the call again,
 * and keep a descriptor that it never heard of. There the kernel does both in one step, and the copy is closed a moment
 * too late.
 */
function answerDescriptor(
  listener: Listener,
  id: NotificationId,
  { fd, cloexec }: Extract<Reply, { kind: 'descriptor' }>,
  held: (number: number) => void,
): void {
  const added = listener.isOneStep ? listener.addAndReturn(id, fd, cloexec) : listener.add(id, fd, cloexec)
  fd.close()
  // EMFILE and the like: the target's errno. A stale id needs no answer: this fails with ENOENT like the step before.
  if (failed(added)) return void listener.returnError(id, added.errno)
  held(added)
  if (!listener.isOneStep) listener.returnValue(id, added)
}

/**
 * Hands over received descriptors. The call does not make them, since the worker's own processes sent them, so they are
 * not tracked; from Linux 6.16 on the broker would not see them.
 */
function answerReceived(
  listener: Listener,
  id: NotificationId,
  { fds, cloexec, finish }: Extract<Reply, { kind: 'received' }>,
): void {
  const numbers: number[] = []
  for (const fd of fds) {
    const added = listener.add(id, fd, cloexec)
    if (failed(added)) break
    numbers.push(added)
  }
  for (const fd of fds) fd.close()
  const result = finish(numbers)
  if (failed(result)) listener.returnError(id, result.errno)
  else listener.returnValue(id, result.value)
}

function answerPair(listener: Listener, call: AnsweredCall, pair: Pair, held: (number: number) => void): boolean {
  const result = injectPair(listener, call, pair, held)
  pair.fds[0].close()
  pair.fds[1].close()
  return failed(result) ? listener.returnError(call.id, result.errno) : listener.returnValue(call.id, 0)
}

function injectPair(
  listener: Listener,
  { id, target }: AnsweredCall,
  { fds, cloexec, pointer }: Pair,
  held: (number: number) => void,
): Fail | true {
  const numbers = Buffer.alloc(8)
  // pipe(2) leaves nothing behind on EFAULT, so the memory is tried before a descriptor is put into the target.
  const writable = target.writeBytes(pointer, numbers)
  if (failed(writable)) return writable
  const first = listener.add(id, fds[0], cloexec)
  if (failed(first)) return first
  const second = listener.add(id, fds[1], cloexec)
  if (failed(second)) return second
  numbers.writeInt32LE(first, 0)
  numbers.writeInt32LE(second, 4)
  const written = target.writeBytes(pointer, numbers)
  if (failed(written)) return written
  held(first)
  held(second)
  return true
}
