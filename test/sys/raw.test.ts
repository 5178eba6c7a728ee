import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { Pinned } from '../../src/sys/raw.js'

test('memory of which only the address is kept is there for the calls that follow', async () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const made = Array.from({ length: 100 }, () => new WeakRef(new Pinned(8)))
  // A WeakRef holds its target until the end of the job that made it.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  const alive = made.map((each) => each.deref() !== undefined)
  expect(alive.slice(-16)).toEqual(Array.from({ length: 16 }, () => true))
  expect(alive.slice(0, 50)).not.toContain(true)
})
