/**
 * Sets the exit code of a run in which something was refused: 1, whatever Vitest counts. With
 * `dangerouslyIgnoreUnhandledErrors`, or after a file that never reported a result, it would be 0.
 */
import type { Vitest } from 'vitest/node'

const failed = new WeakSet<Vitest>()

/** Fails the run. In watch mode a later run may pass, so the exit code is left to Vitest. */
export function failRun(vitest: Vitest): void {
  if (failed.has(vitest) || vitest.config.watch) return
  failed.add(vitest)
  process.exitCode = 1
  // A plugin, or Vitest itself, may have reset it in the meantime.
  process.once('exit', () => {
    if (process.exitCode === undefined || Number(process.exitCode) === 0) process.exitCode = 1
  })
}
