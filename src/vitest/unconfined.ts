/**
 * Warns, once per run, that the tests run unconfined because the machine cannot confine them and the options allow it.
 */
import type { Vitest } from 'vitest/node'

const warned = new WeakSet<Vitest>()

export function warnUnconfined(vitest: Vitest, missing: readonly string[]): void {
  if (warned.has(vitest)) return
  warned.add(vitest)
  vitest.logger.warn(
    `vitest-pool-seccomp: THESE TESTS ARE NOT CONFINED. This machine lacks:\n${missing.map((line) => `  - ${line}`).join('\n')}`,
  )
}
