/** What passes the gate, and what does not, whatever a row's own check says. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { version } from 'vitest/node'
import { Gate } from '../../../src/vitest/gate/gate.js'
import type { GateProject } from '../../../src/vitest/gate/project.js'
import { adapterFor } from '../../../src/vitest/versions/index.js'
import { scratch, worker } from './stand-in.js'

function standing(root: string, more: Partial<GateProject> = {}) {
  const { project, writes } = worker(root)
  const replies: object[] = []
  const recorded: object[] = []
  const gate = new Gate(
    {
      project: { ...project, ...more },
      methods: adapterFor(version).methods,
      writes,
      keepsLedger: false,
      reply: (message) => void replies.push(message),
      describe: () => 'refused',
      record: (incident) => void recorded.push(incident),
      running: () => Promise.resolve(undefined),
      keep: () => {},
      failRun: () => {},
    },
    { mode: 'enforce', lists: [], sockets: [] },
  )
  return { gate, replies, recorded }
}

test.each(['nonsense', 'constructor', '__proto__', 'toString'])(
  'a method that nobody knows is refused, and Vitest does not hear of it: %s',
  async (method) => {
    using at = scratch()
    const { gate, replies, recorded } = standing(at.root)
    expect(await gate.incoming({ t: 'q', m: method, a: [], i: '1' })).toBeUndefined()
    expect(replies).toMatchObject([{ t: 's', i: '1', e: expect.anything() }])
    expect(recorded).toHaveLength(1)
  },
)

test('a worker that says that its file has ended is believed only where its tests have', async () => {
  using at = scratch()
  for (const isThrough of [false, true]) {
    const { gate } = standing(at.root, { isThrough: () => isThrough })
    gate.begin([join(at.root, 'test/own.test.ts')], { mode: 'enforce', lists: [], sockets: [] })
    await gate.outgoing({ __vitest_worker_request__: true, type: 'run' })
    const said = gate.incoming({ __vitest_worker_response__: true, type: 'testfileFinished' })
    if (isThrough) expect(await said).toMatchObject({ type: 'testfileFinished' })
    else await expect(said).rejects.toThrow(/own\.test\.ts are not through/)
  }
})

test('what a worker says of its files once it is through with them is dropped', async () => {
  using at = scratch()
  const file = join(at.root, 'test/own.test.ts')
  const { gate, recorded } = standing(at.root, { isThrough: () => true })
  gate.begin([file], { mode: 'enforce', lists: [], sockets: [] })
  await gate.outgoing({ __vitest_worker_request__: true, type: 'run' })
  const calls = [
    { t: 'q', m: 'onQueued', a: [{ id: 'own', filepath: file, type: 'suite', name: 'own', tasks: [] }] },
    {
      t: 'q',
      m: 'onCollected',
      a: [[{ id: 'own', filepath: file, type: 'suite', name: 'own', tasks: [], result: { state: 'pass' } }]],
    },
    { t: 'q', m: 'onTaskUpdate', a: [[['own', { state: 'pass' }, {}]], []] },
  ]
  for (const call of calls) expect(await gate.incoming(structuredClone(call)), call.m).toBeDefined()
  await gate.incoming({ __vitest_worker_response__: true, type: 'testfileFinished' })
  for (const call of calls) expect(await gate.incoming(structuredClone(call)), call.m).toBeUndefined()
  expect(recorded).toEqual([])
})

test('no error of a response skips a test, which could be that of another worker', async () => {
  using at = scratch()
  const { gate } = standing(at.root)
  await gate.outgoing({ __vitest_worker_request__: true, type: 'stop' })
  const error = Object.assign([], { code: 'VITEST_PENDING', taskId: 'other', message: 'm' })
  const response = { __vitest_worker_response__: true, type: 'stopped', error }
  expect(await gate.incoming(response)).toEqual({ ...response, error: { message: 'm' } })
})

test('a response is as small as a call', async () => {
  using at = scratch()
  const { gate } = standing(at.root)
  await gate.outgoing({ __vitest_worker_request__: true, type: 'stop' })
  const holes: unknown[] = []
  holes.length = 2 ** 32 - 1
  const said = gate.incoming({ __vitest_worker_response__: true, type: 'stopped', error: { holes } })
  await expect(said).rejects.toThrow(/a response with more than/)
})
