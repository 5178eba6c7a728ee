/** What a worker tells about tasks. */
import { expect } from 'vitest'
import { ProtocolError } from '../../../src/errors.js'
import { file, own, type Rows } from './row.js'
import { passed, refusal } from './stand-in.js'

export const tasks: Rows = {
  async onQueued(call, at) {
    const [queued] = passed(await call([{ ...file(at), name: 'other.test.ts', pool: 'typescript' }])) ?? []
    expect(queued).toMatchObject({
      id: 'own',
      name: 'test/own.test.ts',
      projectName: 'p',
      pool: 'forks',
    })
    expect(refusal(await call([{ ...file(at), filepath: '/other.test.ts' }]))).toMatch(/is not a test file/)
    await expect(call([{ ...file(at), id: 'other' }])).rejects.toThrow(/with the id "other"/)
    // An id is a hash of 32 bits.
    const taken = { project: { takeId: () => '/out/other.test.ts' } }
    await expect(call([file(at)], taken)).rejects.toThrow(
      /own\.test\.ts" and "\/out\/other\.test\.ts" have the same id/,
    )
  },
  async onCollected(call, at) {
    const child = {
      id: 'own_0',
      type: 'test',
      name: 't',
      file: { filepath: '/other.test.ts' },
      artifacts: [{ attachments: [{ path: '/etc/passwd' }] }],
      meta: { seccomp: { violations: [] }, failScreenshotPath: 5 },
      result: { state: 'fail', errors: [{ stack: 'at f (/proc/1/x:1:2)' }] },
    }
    const given = {
      ...file(at, [{ id: 'own_1', type: 'suite', name: 's', tasks: [child] }]),
      local: true,
      other: 5,
      importDurations: { a: {} },
    }
    const told = passed(await call([[given]]))
    const [[adopted]] = told as [[{ tasks: [{ tasks: [Record<string, unknown>] }] }]]
    // Vitest leaves a file of its own making out of the count.
    expect(adopted).not.toHaveProperty('local')
    expect(adopted).not.toHaveProperty('other')
    expect(adopted).toMatchObject({ importDurations: { a: { selfTime: 0, totalTime: 0 } } })
    const made = adopted.tasks[0].tasks[0]
    // The task says of itself what the pool knows.
    expect(made).toMatchObject({
      file: adopted,
      artifacts: [],
      // The worker has sent no such list, but reporters read it.
      annotations: [],
      meta: {},
      result: { errors: [{ stack: 'at f (/proc/1/x (line 1, column 2))' }] },
    })
    expect(made.meta).toEqual({})
    for (const bad of [
      { id: 'other_0', type: 'test' },
      { id: 'own_0', type: 'exotic' },
      { id: 'own_0', type: 'suite', tasks: {} },
      { id: 'own_0', type: 'suite', filepath: '/x', tasks: [] },
    ]) {
      await expect(call([[file(at, [bad])]])).rejects.toThrow(ProtocolError)
    }
    await expect(call([[file(at)]], { project: { takeId: () => '/out/other.test.ts' } })).rejects.toThrow(/the same id/)
    const ring = file(at)
    ring.tasks.push(ring)
    await expect(call([[ring]])).rejects.toThrow(ProtocolError)
  },
  async onTaskUpdate(call, at) {
    at.write('test/own.test.ts')
    const stack = `at f (${own(at)}:1:2)\nat g (/dev/null:1:2)`
    const args = passed(
      await call([
        [
          [
            'own_0',
            { state: 'fail', errors: [{ stack, stacks: [{ file: '/etc/passwd' }] }, 'x\n    at f (/sys/x:1:2)', null] },
            {},
          ],
          ['unknown', {}, {}],
        ],
        [
          ['own_0', 'test-finished', undefined],
          ['unknown', 'x'],
        ],
      ]),
    )
    expect(args).toEqual([
      [
        [
          'own_0',
          {
            state: 'fail',
            errors: [
              { stack: `at f (${own(at)}:1:2)\nat g (/dev/null (line 1, column 2))` },
              { message: 'x\n    at f (/sys/x:1:2)' },
              { message: 'null' },
            ],
          },
          {},
        ],
      ],
      [['own_0', 'test-finished', undefined]],
    ])
    // An error is what has a stack, and a list can have one; Vitest 5 prints those of earlier attempts.
    const list = Object.assign([], { stack: 'at f (/sys/x:1:2)' })
    const attempts = [{ state: 'fail', errors: [{ stack: 'at f (/sys/y:1:2)' }] }]
    // Only this package says what a test was refused.
    const meta = { own: 1, seccomp: { violations: [] } }
    const cleaned = passed(
      await call([[['own_0', { state: 'fail', errors: [list, { cause: list }], attempts }, meta]], []]),
    )
    expect(cleaned).toMatchObject([
      [
        [
          'own_0',
          {
            errors: [{ stack: 'at f (/sys/x (line 1, column 2))' }, {}],
            attempts: [{ errors: [{ stack: 'at f (/sys/y (line 1, column 2))' }] }],
          },
          {},
        ],
      ],
      [],
    ])
    expect(cleaned).toMatchObject([[[expect.anything(), expect.anything(), { own: 1 }]], []])
    expect(JSON.stringify(cleaned)).not.toContain('seccomp')
    expect(refusal(await call([[['other_0', { state: 'pass' }, {}]], []]))).toMatch(/which this worker does not run/)
    await expect(call([{}, []])).rejects.toThrow(ProtocolError)
  },
  async onUnhandledError(call) {
    expect(passed(await call([{ message: 'm', stack: 'at f (/proc/1/x:1:2)' }, 'Unhandled Error']))).toEqual([
      { message: 'm', stack: 'at f (/proc/1/x (line 1, column 2))' },
      'Unhandled Error',
    ])
    expect(refusal(await call([{ code: 'VITEST_PENDING', taskId: 'other_0' }, 'x']))).toMatch(/skip a test/)
    expect(refusal(await call([Object.assign([], { code: 'VITEST_PENDING', taskId: 'other_0' }), 'x']))).toMatch(/skip/)
    expect(refusal(await call([{ code: 'VITEST_PENDING', taskId: 'own' }, 'x']))).toMatch(/a whole test file/)
    const pending = { code: 'VITEST_PENDING', taskId: 'own_0' }
    expect(passed(await call([pending, 'x']))).toEqual([pending, 'x'])
    expect(passed(await call([pending, 'x'], { project: { hasFailed: () => true } }))).toBeUndefined()
  },
  async onAsyncLeaks(call, at) {
    const leak = { filename: own(at), projectName: 'forged', type: 'Timeout', stack: 'at f (/proc/1/x:1:2)', more: 1 }
    expect(passed(await call([[leak, { ...leak, filename: '/etc/passwd' }]]))).toEqual([
      [{ filename: own(at), projectName: 'p', type: 'Timeout', stack: 'at f (/proc/1/x (line 1, column 2))' }],
    ])
  },
  async onUserConsoleLog(call) {
    const log = { type: 'stdout', content: 'text', time: 1, size: 4 }
    expect(passed(await call([{ ...log, taskId: 'own_0', browser: true }]))).toEqual([{ ...log, taskId: 'own_0' }])
    expect(passed(await call([{ ...log, taskId: 'other_0' }]))).toEqual([log])
    expect(passed(await call([{ ...log, content: 'x'.repeat(17 << 20) }]))).toMatchObject([
      { content: expect.stringMatching(/more characters\]\n$/) },
    ])
    await expect(call([{ ...log, type: 'file' }])).rejects.toThrow(ProtocolError)
  },
  async onTestBenchmark(call) {
    const task = { name: 't', latency: { mean: 1, rme: null, samples: [1] }, throughput: { mean: 1 }, rank: 1 }
    const benchmark = { name: 'b', tasks: [task] }
    expect(passed(await call(['own_0', benchmark]))).toEqual(['own_0', benchmark])
    expect(refusal(await call(['other_0', {}]))).toMatch(/none of this worker/)
    // Reporters would fail with it, and no other file be reported.
    const odd = [{ ...task, latency: { mean: {} } }, { ...task, throughput: undefined }, { ...task, name: 5 }, null]
    for (const tasks of [undefined, ...odd.map((one) => [one])])
      await expect(call(['own_0', { name: 'b', tasks }])).rejects.toThrow(ProtocolError)
  },
  async snapshotSaved(call, at) {
    // They are added to those of other files.
    const counts = { added: 1, matched: 0, unchecked: 0, unmatched: 0, updated: 0 }
    expect(passed(await call([{ filepath: own(at), added: 1, matched: NaN, updated: -1 }]))).toEqual([
      { filepath: own(at), ...counts },
    ])
    expect(refusal(await call([{ filepath: '/other.test.ts', added: 5 }]))).toMatch(/is not a test file/)
  },
  async resolveSnapshotPath(call) {
    expect(passed(await call(['/a.test.ts', 'more']))).toEqual(['/a.test.ts'])
    await expect(call([{}])).rejects.toThrow(ProtocolError)
  },
  async onCancel(call) {
    expect(refusal(await call(['test-failure']))).toMatch(/end the whole run/)
    const project = { bail: 2, failedTests: () => 1 }
    expect(passed(await call(['test-failure'], { project }))).toEqual(['test-failure'])
    expect(refusal(await call(['keyboard-input'], { project }))).toMatch(/end the whole run/)
    expect(refusal(await call(['test-failure'], { project: { bail: 3, failedTests: () => 1 } }))).toMatch(
      /end the whole run/,
    )
  },
  async getCountOfFailedTests(call) {
    expect(passed(await call(['anything']))).toEqual([])
  },
}
