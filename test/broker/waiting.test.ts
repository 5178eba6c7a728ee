/** What calls that wait keep of the broker's is bounded for each worker: no other finds less room than before. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BOUNDS } from '../../src/broker/waiting.js'
import { policyData } from '../contracts/rules.js'
import { confine, missing, SOON, within, type Confined } from './confined.js'
import { descriptors } from './descriptors.js'

/** SCM_MAX_FD, and the socket itself. */
const KEPT_BY_ONE = 254
const THREADS = 20

describe.skipIf(missing !== undefined)(`calls that wait (${missing ?? 'live'})`, () => {
  let workers: Confined[]
  beforeAll(async () => {
    const policy = policyData([['read +/dev/null'], ['read +/proc/self/'], ['read +/proc/sys/vm/overcommit_memory']])
    workers = await Promise.all([0, 1].map(() => confine({ runtime: 'broker/flood.mjs', policy })))
  })
  afterAll(async () => {
    for (const { worker } of workers) await worker.stop()
  })

  test('a flood of messages with descriptors is refused beyond the bound, and harms no other worker', async () => {
    const [floods, works] = workers
    if (floods === undefined || works === undefined) throw new Error('no workers')
    const before = descriptors().length
    const waiting = Math.floor(BOUNDS.descriptors / KEPT_BY_ONE)
    const refused = await within(SOON, 'the flood', floods.value('flood', THREADS, waiting))
    expect(refused).toEqual(Array(THREADS - waiting).fill('errno 109'))
    expect(descriptors().length - before).toBeLessThan(BOUNDS.descriptors + 20)
    for (let round = 0; round < 20; round++) expect(await works.value('readFile', '/dev/null')).toBe('')
    const all = await within(SOON, 'the release', floods.value('release'))
    expect((all as string[]).toSorted()).toEqual([
      ...Array(THREADS - waiting).fill('errno 109'),
      ...Array(waiting).fill('errno 32'),
    ])
    expect(descriptors().length).toBeLessThan(before + 20)
    expect([...floods.faults, ...works.faults]).toEqual([])
  })
})
