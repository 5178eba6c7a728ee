/** The numbers of processes and threads are used again: by the worker's own, and by strangers. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { policyData } from '../contracts/rules.js'
import { namesThreads } from '../harness/kernel.js'
import { liveLaw } from '../laws/law.js'
import { confine, missing, SOON, within } from './confined.js'

const LAST_PID = '/proc/sys/kernel/ns_last_pid'
const impossible =
  missing ??
  (process.getuid?.() !== 0
    ? 'skipped without root: only root may choose numbers'
    : existsSync(LAST_PID)
      ? undefined
      : `skipped where the kernel has no ${LAST_PID}`)

interface Strangers {
  /** Undefined where the number is somebody's. */
  processOf(pid: number, content: string): (() => void) | undefined
  nextIs(pid: number): void
}

interface Step {
  readonly kind: 'process' | 'thread' | 'stranger'
  /** Which of the numbers that there were so far is used again; one more than one that was may be a thread's. */
  readonly number: number
}

const CHARACTER_DEVICE = 0o020000
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('process', 'thread', 'stranger'),
  number: fc.nat(7),
})

describe.skipIf(impossible !== undefined)(`numbers used again (${impossible ?? 'live'})`, async () => {
  if (impossible !== undefined) return
  // The harness of the escape programs, which is plain JavaScript.
  const { processOf, nextIs } = (await import(
    pathToFileURL(resolve(import.meta.dirname, '../../scripts/escapes/strangers.mjs')).href
  )) as Strangers
  const worker = await confine({
    runtime: 'broker/reuse.mjs',
    policy: policyData([['read +/proc/self/'], ['read +/dev/null'], ['read +/proc/sys/vm/overcommit_memory']]),
  })
  afterAll(() => worker.worker.stop())

  test('the calls of a process whose first thread has ended are performed', async () => {
    // By a descriptor, by a name in /proc/thread-self, by a plain name.
    const found = namesThreads() ? ['done', 'done', 'done'] : ['ESRCH', 'ENOENT', 'done']
    expect(await within(SOON, 'the process', worker.value('afterFirstThread'))).toEqual(found)
  })

  let count = 0
  /** The number is somebody's already, or somebody came first: that is no case. */
  const take = async (number: number | undefined): Promise<number> => {
    if (number !== undefined) nextIs(number)
    return Number(await worker.value('fork'))
  }

  liveLaw(
    'each process gets its own descriptors and its own results, whoever had its numbers',
    { cases: 25 },
    [fc.array(step, { minLength: 3, maxLength: 12 })],
    async (steps) => {
      const numbers: number[] = []
      const strangers: ((() => void) | undefined)[] = []
      const first = count
      await worker.value('forget')
      for (const { kind } of steps)
        if (kind !== 'stranger') await worker.value('prepare', `own ${++count}`, kind === 'thread')
      let next = first
      try {
        for (const { kind, number } of steps) {
          const again = numbers[number % Math.max(1, numbers.length)]
          if (kind === 'stranger') {
            if (again !== undefined) strangers.push(processOf(again, 'a stranger'))
            continue
          }
          const content = `own ${++next}`
          const pid = await take(again)
          // Of a process with a second thread, that one most likely has the next number.
          numbers.push(pid, pid + 1)
          expect(await within(SOON, 'the process', worker.value('go', pid))).toEqual({
            content,
            mode: CHARACTER_DEVICE,
          })
        }
      } finally {
        for (const end of strangers) end?.()
      }
      expect(worker.faults).toEqual([])
    },
  )

  liveLaw(
    "a thread's number comes again as a process, and its process's number as a stranger",
    { cases: 5 },
    [fc.constant('after')],
    async (content) => {
      await worker.value('forget')
      await worker.value('prepare', 'before', true)
      await worker.value('prepare', content, false)
      const pid = await take(undefined)
      await worker.value('go', pid)
      const end = processOf(pid, 'a stranger')
      try {
        const next = await take(pid + 1)
        expect(await within(SOON, 'the process', worker.value('go', next))).toMatchObject({ content })
      } finally {
        end?.()
      }
    },
  )
})
