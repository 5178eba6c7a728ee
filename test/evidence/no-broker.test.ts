/**
 * strace(1) cannot tell a descriptor that a call made from one that the broker injected: both are its result. So the
 * broker is taken away: what still succeeds, the worker can do by itself.
 */
import { expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { fixture, repository, runConfined, runPlain } from '../harness/confined.js'

interface Seen {
  readonly results: readonly (readonly [string, number])[]
  readonly before: readonly number[]
  readonly after: readonly number[]
}

const module = fixture('no-broker/main.mjs')
const manifest = { read: ['fixtures/escapes/lib/numbers.mjs'], write: ['/tmp/'] }

test('without its broker a worker makes no descriptor by any call: each is ENOSYS', async () => {
  const { result } = await runConfined({
    manifest,
    root: repository,
    module,
    args: [{ waitForTheEnd: true }],
    loseBrokerAt: 'ready',
  })
  // The harness gives what `main` returned.
  const seen = result as Seen
  // arm64 has no `open`, `pipe` and the like.
  expect(seen.results.length).toBeGreaterThan(process.arch === 'arm64' ? 25 : 30)
  // mq_open is also compared: a kernel without it says ENOSYS by itself.
  expect(seen.results.filter(([, value]) => value !== -Errno.ENOSYS)).toEqual([])
  expect(seen.after).toEqual(seen.before)
})

test('the same calls do make descriptors where nothing confines them', async () => {
  const seen = (await runPlain(module, [{ waitForTheEnd: false }])) as Seen
  const made = seen.results.filter(([, value]) => value >= 0)
  expect(made.length).toBeGreaterThan(20)
  expect(seen.after.length).toBeGreaterThan(seen.before.length + 15)
})
