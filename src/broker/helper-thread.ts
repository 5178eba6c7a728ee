/** A helper of a broker thread: it makes calls that may sleep in the kernel, and tells their results. */
import { parentPort, workerData } from 'node:worker_threads'
import { makeCall, type DelegatedCall } from '../sys/delegation.js'
import { InodeLocks } from '../sys/inode-locks.js'
import { takeNoSignals } from '../sys/signals.js'
import { HELPER, type HelperData } from './helpers.js'
import { LoadedCount } from './threads.js'

// The cast: broker/helpers.ts gives it.
const { loaded, state, locks, holder } = workerData as HelperData
const inodes = new InodeLocks(locks, holder)

takeNoSignals()
new LoadedCount(loaded).loaded()
// Too late: the calls were made elsewhere.
if (Atomics.compareExchange(state, 0, HELPER.loading, HELPER.up) === HELPER.loading)
  parentPort?.on('message', (call: DelegatedCall) => makeCall(call, inodes))
