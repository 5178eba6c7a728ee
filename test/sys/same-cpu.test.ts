import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { afterAll, expect, test } from 'vitest'
import { SameCpu } from '../../src/sys/same-cpu.js'

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
    const [during, own] = sameCpu.during(pid, () => [allowed(), cpusOf('thread-self')])
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

test('a thread that is gone, or that is on one CPU anyway, is left alone', () => {
  const sameCpu = new SameCpu()
  expect(sameCpu.during(0x7fff_fff0, () => 'done')).toBe('done')
  const before = allowed()
  const one = sameCpu.during(pid, () => new SameCpu().during(pid, allowed))
  expect(one).toMatch(/^\d+$/)
  expect(allowed()).toBe(before)
})
