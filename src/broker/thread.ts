/**
 * A broker thread. It serves one worker at a time and spends its life in poll(2): its event loop never runs, so that
 * nothing stands between a worker's call and its answer. The main thread rings a bell to be heard.
 */
import { receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { ownFileSystemState } from '../sys/confine.js'
import { hostArch } from '../sys/host.js'
import { Bell, Poller } from '../sys/io.js'
import { LinuxKernel } from '../sys/kernel.js'
import { takeNoSignals } from '../sys/signals.js'
import { LinuxTarget } from '../sys/target.js'
import { tableFor } from '../syscalls/table.js'
import { INCIDENTS, type FromBroker, type ToBroker } from './messages.js'
import { Mutex } from './mutex.js'
import { Session, SLOT, type SessionParts } from './session.js'
import { Sharing } from './sharing.js'
import { sayLoaded, type Loaded } from './threads.js'

export interface BrokerThreadData {
  readonly bell: number
  readonly port: MessagePort
  readonly counters: Int32Array
  readonly mutex: SharedArrayBuffer
  readonly loaded: Loaded
}

// workerData is typed any; the host (broker/host.ts) is the only one who starts this file.
const { bell: bellNumber, port, counters, mutex, loaded } = workerData as BrokerThreadData

const bell = new Bell(bellNumber)
const poller = new Poller(3)
poller.watch(SLOT.bell, bell.fd)

const parts: SessionParts = {
  arch: hostArch(),
  table: tableFor(hostArch()),
  kernel: new LinuxKernel(ownFileSystemState()),
  target: new LinuxTarget(),
  poller,
  mutex: new Mutex(mutex),
  sharing: new Sharing((request) => port.postMessage(request)),
  post(message: FromBroker) {
    // Counted before the worker gets its answer: whoever sees the answer can know that a message is under way.
    if (message.type === 'incident') Atomics.add(counters, INCIDENTS, 1)
    port.postMessage(message)
  },
}

let session: Session | undefined
let running = true

function obey(command: ToBroker): void {
  switch (command.type) {
    case 'attach':
      session = new Session(parts, command)
      return
    case 'policy':
      session?.setPolicy(command.policy)
      parts.post({ type: 'policy-set', sequence: command.sequence })
      return
    case 'tell-ledger':
      session?.tellLedger('with descriptors')
      parts.post({ type: 'ledger-told', sequence: command.sequence })
      return
    case 'shared':
      parts.sharing.receive(command)
      return
    case 'hear':
      parts.post({ type: 'heard', sequence: command.sequence, label: session?.hear() })
      return
    case 'detach':
      session?.close()
      return
    case 'exit':
      session?.close()
      running = false
      return
    default:
      command satisfies never
  }
}

function serve(): void {
  while (running) {
    if (poller.wait(session?.patience ?? 1000) && poller.happened(SLOT.bell) !== 0) {
      bell.silence()
      for (let next = receiveMessageOnPort(port); next !== undefined && running; next = receiveMessageOnPort(port)) {
        // The port's other end is the host's alone.
        obey(next.message as ToBroker)
      }
    }
    session?.turn()
    if (session?.ended === true) {
      session = undefined
      port.postMessage({ type: 'ended' } satisfies FromBroker)
    }
  }
}

takeNoSignals()
sayLoaded(loaded)
try {
  serve()
} finally {
  // Whatever ends this thread closes the listener, so that its worker's calls fail instead of waiting for ever.
  session?.close()
  bell.fd.close()
  port.close()
}
