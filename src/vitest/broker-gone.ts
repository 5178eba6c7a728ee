/** The broker process ends before the run: no confined worker can go on, nor can another be started. */
import type { Vitest } from 'vitest/node'
import { theBroker } from '../broker/client.js'

const watching = new WeakSet<Vitest>()

/** Ends the run then, with one sentence that says why, and as failed. */
export function endWithBroker(vitest: Vitest): void {
  if (watching.has(vitest)) return
  watching.add(vitest)
  theBroker().onGone((error) => {
    // Where it stood is of no interest to anybody.
    error.stack = `${error.name}: ${error.message}`
    vitest.state.catchError(error, 'Unhandled Error')
    process.exitCode = 1
    // What waits in Vitest's queue would fail one by one.
    void vitest.cancelCurrentRun('test-failure')
  })
}
