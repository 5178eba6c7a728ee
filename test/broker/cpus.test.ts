/** The CPUs of a worker: the broker narrows them while a descriptor changes hands, and nobody may see that. */
import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import { fixture, repository, runConfined } from '../harness/confined.js'

test.skipIf(availableParallelism() === 1)(
  'a call that makes a descriptor leaves the thread all its CPUs, for what it starts then (skipped on one CPU)',
  async () => {
    const { result } = await runConfined({
      manifest: { read: ['package.json', 'fixtures/escapes/lib/numbers.mjs'] },
      root: repository,
      module: fixture('cpus/main.mjs'),
      args: [{ file: `${repository}/package.json`, times: 3000 }],
    })
    // The harness gives what `main` returned.
    const { before, after } = result as { readonly before: number; readonly after: readonly number[] }
    expect(before).toBeGreaterThan(1)
    expect(after).toEqual([before])
  },
)
