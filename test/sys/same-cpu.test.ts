import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { afterAll, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { numberOf, Pinned, sys3 } from '../../src/sys/raw.js'
import { SameCpu } from '../../src/sys/same-cpu.js'
import { Fail } from '../../src/syscalls/outcome.js'

const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
const pid = child.pid ?? 0
afterAll(() => void child.kill('SIGKILL'))

/** proc_pid_status(5): the CPUs that a thread may run on. */
const cpusOf = (thread: string): string | undefined =>
  /^Cpus_allowed_list:\t(.*)$/m.exec(readFileSync(`/proc/${thread}/status`, 'latin1'))?.[1]
const allowed = (): string | undefined => cpusOf(String(pid))

test.skipIf(availableParallelism() === 1)(
  'a thread and this one run on one CPU meanwhile, and where they did before afterwards',
  () => {
    const sameCpu = new SameCpu()
    const before = allowed()
    const ownBefore = cpusOf('thread-self')
    let during: string | undefined
    let own: string | undefined
    sameCpu.during(pid, () => {
      during = allowed()
      own = cpusOf('thread-self')
      return true
    })
    expect(during).toMatch(/^\d+$/)
    expect(during).not.toBe(before)
    expect(own).toBe(during)
    expect([allowed(), cpusOf('thread-self')]).toEqual([before, ownBefore])
    expect(() =>
      sameCpu.during(pid, () => {
        throw new RangeError('refused')
      }),
    ).toThrow(RangeError)
    expect([allowed(), cpusOf('thread-self')]).toEqual([before, ownBefore])
  },
)

test.skipIf(availableParallelism() === 1)(
  'a thread that has taken nothing and may run elsewhere by the end is another one, and left alone',
  () => {
    const size = 1024
    const before = new Pinned(size)
    expect(sys3(numberOf('sched_getaffinity'), pid, size, before.address)).toBeGreaterThan(0)
    const set = (mask: Pinned): void => expect(sys3(numberOf('sched_setaffinity'), pid, size, mask.address)).toBe(0)
    let other: string | undefined
    new SameCpu().during(pid, () => {
      const here = Number(allowed())
      const mask = new Pinned(size)
      mask.bytes.set(before.bytes)
      const byte = mask.bytes[here >>> 3] ?? 0
      mask.bytes[here >>> 3] = byte & ~(1 << (here & 7))
      set(mask)
      other = allowed()
      return Fail.of(Errno.ENOENT)
    })
    expect(other).toBeDefined()
    expect(allowed()).toBe(other)
    set(before)
  },
)

test('a thread that is gone, or that is on one CPU anyway, is left alone', () => {
  const sameCpu = new SameCpu()
  expect(sameCpu.during(0x7fff_fff0, () => 'done')).toBe('done')
  const before = allowed()
  let one: string | undefined
  sameCpu.during(pid, () =>
    new SameCpu().during(pid, () => {
      one = allowed()
      return true
    }),
  )
  expect(one).toMatch(/^\d+$/)
  expect(allowed()).toBe(before)
})
