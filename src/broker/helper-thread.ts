/** A helper of a broker thread: it makes calls that may sleep in the kernel, and tells their results. */
import { parentPort, workerData } from 'node:worker_threads'
import { makeCall, type DelegatedCall } from '../sys/delegation.js'
import { InodeLocks } from '../sys/inode-locks.js'
import { ownThread } from '../sys/own-threads.js'
import { takeNoSignals } from '../sys/signals.js'
import { CELL, HELPER, type HelperData } from './helpers.js'
import { LoadedCount } from './threads.js'

// The cast: broker/helpers.ts gives it.
const { loaded, state, locks, holder } = workerData as HelperData
const inodes = new InodeLocks(locks, holder)

takeNoSignals()
Atomics.store(state, CELL.thread, ownThread())
new LoadedCount(loaded).loaded()
// Too late: the calls were made elsewhere.
if (Atomics.compareExchange(state, CELL.state, HELPER.loading, HELPER.up) === HELPER.loading)
  parentPort?.on('message', (call: DelegatedCall) => {
    Atomics.add(state, CELL.begun, 1)
    makeCall(call, inodes, () => Atomics.add(state, CELL.returned, 1))
  })
