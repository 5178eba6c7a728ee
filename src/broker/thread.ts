/**
 * A broker thread: a worker of the pool, whose task is one confined process's life. It spends that in poll(2): its
 * event loop never runs, so that nothing stands between a worker's call and its answer. The main thread rings a bell to
 * be heard.
 */
import { receiveMessageOnPort, threadId, workerData, type MessagePort } from 'node:worker_threads'
import { IDLE_LOOK_MS, MAIN_THREAD_END_MS } from '../limits.js'
import { ownFileSystemState } from '../sys/confine.js'
import { hostArch } from '../sys/host.js'
import { InodeLocks } from '../sys/inode-locks.js'
import { Bell, Poller } from '../sys/io.js'
import { LinuxKernel } from '../sys/kernel.js'
import { mostOpenFiles } from '../sys/open-files.js'
import { borrowed, OwnedFd } from '../sys/owned-fd.js'
import { keepsCallsWhole } from '../sys/probe.js'
import { takeNoSignals } from '../sys/signals.js'
import type { Reception } from '../syscalls/filter.js'
import { tableFor } from '../syscalls/table.js'
import { Helpers } from './helpers.js'
import { INCIDENTS, type FromBroker, type ToBroker } from './messages.js'
import { endWithStarted } from './process-end.js'
import { Session, SLOT, type SessionParts } from './session.js'
import { closeUndelivered, Sharing } from './sharing.js'
import { LoadedCount } from './threads.js'

/** One task of the pool. Descriptors are numbers: the threads of a process share one table. */
export interface BrokerTask {
  readonly port: MessagePort
  /** An eventfd that wakes the thread: a command may lie in the port. */
  readonly bell: number
  readonly counters: Int32Array
  /** A pidfd of the process that runs the tests: readable once that process has ended, pidfd_open(2). */
  readonly runner?: number
}

/** The data that each thread of a pool starts with. */
export interface ThreadData {
  readonly loaded: SharedArrayBuffer
  readonly locks: SharedArrayBuffer
  readonly reception: Reception
}

const poller = new Poller(4)
const arch = hostArch()
// Tinypool puts its own data first, then ours, which broker/host.ts gives.
const [, { loaded, locks, reception }] = workerData as [unknown, ThreadData]
const table = tableFor(arch, reception)
const helpers = new Helpers({ loaded, locks, holder: threadId })
const kernel = new LinuxKernel(ownFileSystemState(), reception, new InodeLocks(locks, threadId), (mayStart) =>
  helpers.next(mayStart),
)
const waitKillable = keepsCallsWhole()
const files = mostOpenFiles()

/**
 * Serves one worker, from its start to the end of its last process. However that ends, the worker's listener is closed.
 */
export default function serve({ port, bell: number, counters, runner }: BrokerTask): void {
  const bell = new Bell(number)
  poller.watch(SLOT.bell, bell.fd)
  poller.watch(SLOT.runner, runner === undefined ? undefined : borrowed(runner))
  const parts: SessionParts = {
    arch,
    table,
    kernel,
    poller,
    waitKillable,
    files,
    sharing: new Sharing((request) => port.postMessage(request)),
    post(message: FromBroker) {
      // Counted before the worker gets its answer, so that whoever sees the answer can know that a message is under
      // way.
      if (message.type === 'incident') Atomics.add(counters, INCIDENTS, 1)
      port.postMessage(message)
    },
  }
  parts.post({ type: 'begun', id: process.__tinypool_state__.workerId, threadId })
  let session: Session | undefined
  let runnerEnded = false
  let lastMoment = Infinity
  try {
    for (let isOver = false; !isOver; isOver ||= session?.ended === true) {
      if (poller.wait(session?.patience ?? IDLE_LOOK_MS)) {
        if (poller.happened(SLOT.runner) !== 0) {
          poller.watch(SLOT.runner, undefined)
          runnerEnded = true
          lastMoment = performance.now() + MAIN_THREAD_END_MS
          parts.post({ type: 'runner-ended' })
        }
        if (poller.happened(SLOT.bell) !== 0) {
          bell.silence()
          for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
            // The cast: only the host writes to the port's other end.
            const command = next.message as ToBroker
            if (command.type === 'attach') session = new Session(parts, command)
            else if (command.type === 'detach' && session === undefined) isOver = true
            else if (session !== undefined) obey(session, command, parts)
            else closeUndelivered(command)
          }
        }
      }
      session?.turn()
      if (runnerEnded && performance.now() > lastMoment) isOver = true
    }
  } finally {
    const label = session?.lastLabel
    session?.close()
    // A name that is still being made must not come into a directory that is being removed.
    kernel.settle()
    for (const slot of [SLOT.bell, SLOT.runner]) poller.watch(slot, undefined)
    // Give back what was shared with a worker that is gone by now.
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      // The cast: only the host writes to the port's other end.
      const command = next.message as ToBroker
      if (command.type === 'shared') parts.sharing.receive(command)
      else closeUndelivered(command)
    }
    parts.post({ type: 'ended', ...(label === undefined ? {} : { label }) })
    port.close()
    if (runnerEnded) endProcess()
  }
}

function obey(session: Session, command: Exclude<ToBroker, { type: 'attach' }>, parts: SessionParts): void {
  switch (command.type) {
    case 'policy':
      session.setPolicy(command.policy)
      return parts.post({ type: 'policy-set', sequence: command.sequence })
    case 'tell-ledger':
      session.tellLedger('with descriptors')
      return parts.post({ type: 'ledger-told', sequence: command.sequence })
    case 'shared':
      return parts.sharing.receive(command)
    case 'hear':
      return parts.post({ type: 'heard', sequence: command.sequence, label: session.hear() })
    case 'hand-over':
      return session.leave(command.name, new OwnedFd(command.fd))
    case 'detach':
      return session.close()
    default:
      return command satisfies never
  }
}

/**
 * Ends the whole process, and with it every worker and what these have started, if the main thread does not: it may be
 * blocked, and would not hear of the runner's end.
 */
function endProcess(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, MAIN_THREAD_END_MS)
  endWithStarted()
}

takeNoSignals()
new LoadedCount(loaded).loaded()
