/** Ends the run if the broker process ends before it: no confined worker can go on, and none can be started. */
import type { Vitest } from 'vitest/node'
import { theBroker } from '../broker/client.js'

const watching = new WeakSet<Vitest>()

/** Fails and cancels the run when the broker process ends, with one sentence that says why. */
export function endWithBroker(vitest: Vitest): void {
  if (watching.has(vitest)) return
  watching.add(vitest)
  theBroker().onGone((error) => {
    // The stack would point into this package, which helps nobody.
    error.stack = `${error.name}: ${error.message}`
    vitest.state.catchError(error, 'Unhandled Error')
    process.exitCode = 1
    // Otherwise the files that wait in Vitest's queue would fail one by one.
    void vitest.cancelCurrentRun('test-failure')
  })
}
