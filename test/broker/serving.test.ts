/** A client of the broker process that says what it may not: its worker is stopped, and nobody else's. */
import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import type { Notice } from '../../src/broker/control.js'
import type { Host } from '../../src/broker/host.js'
import { NOT_GIVEN, StartFailure } from '../../src/broker/outputs.js'
import { AS_ASKED, ServedClient, type Admission } from '../../src/broker/serving.js'
import { frame, FrameReader } from '../../src/framing.js'
import { policyData } from '../contracts/rules.js'
import { SOON } from './confined.js'
import { outputOfWorker } from './output.js'

const launch = { execArgv: [], env: {}, cwd: '/', denied: 'eacces', ledger: false, stageTimeout: 1000 }
const subject = { root: '/', files: [] }
const policy = policyData([])

interface Stub {
  readonly policies: unknown[]
  stops: number
}

/** A host whose workers only note what happens to them. `ends`: their sockets. */
function stubHost(ends: object = {}): { readonly host: Host; readonly workers: Stub[] } {
  const workers: Stub[] = []
  const host = {
    launch() {
      const stub: Stub = { policies: [], stops: 0 }
      workers.push(stub)
      const worker = {
        pid: workers.length,
        exited: new Promise(() => {}),
        setPolicy: async (next: unknown) => void stub.policies.push(next),
        stop: async () => {
          stub.stops++
          return { code: 0, signal: null }
        },
      }
      return Promise.resolve({ worker, ends, attach: async () => {}, abandon: async () => {} })
    },
  }
  // The cast: a ServedClient uses no more of a host than this.
  return { host: host as unknown as Host, workers }
}

test.each<[string, Admission, object, RegExp]>([
  ['a list that there is none of', AS_ASKED, { ...policy, lists: [7] }, /refers to list 7 of the one before/],
  [
    'what nobody expected',
    { ...AS_ASKED, policy: (asked) => ({ ...asked, anchors: [...(asked.anchors ?? [])] }) },
    { ...policy, anchors: 5 },
    /TypeError/,
  ],
])('a policy with %s stops its worker alone', async (_, admission, wrong, detail) => {
  const { worker: runner, stderr: control } = await outputOfWorker()
  const { host, workers } = stubHost()
  const gone: unknown[] = []
  const handing = { give: () => Promise.resolve() }
  const client = new ServedClient({ host, control, handing, admission, onGone: (text) => gone.push(text) })
  const notices: Notice[] = []
  const reader = new FrameReader(1 << 20)
  // The cast: the broker writes them.
  runner.on('data', (chunk: Buffer) => notices.push(...([...reader.push(chunk)] as Notice[])))
  const say = (...requests: readonly object[]): void => requests.forEach((request) => void runner.write(frame(request)))
  for (const id of [1, 2])
    say(
      { type: 'launch', id, launch, subject },
      { type: 'attach', id, policy, setup: { landlock: [], preload: [] }, subject },
    )
  say(
    { type: 'policy', id: 1, sequence: 1, policy: wrong, subject },
    { type: 'policy', id: 2, sequence: 1, policy: { ...policy, lists: [] }, subject },
    { type: 'stop', id: 2, sequence: 2 },
  )
  while (!notices.some((notice) => notice.type === 'done' && notice.id === 2 && notice.exit !== undefined))
    await once(runner, 'data')
  expect(notices).toContainEqual({ type: 'fault', id: 1, detail: expect.stringMatching(detail) })
  expect(notices.filter(({ type }) => type === 'fault')).toHaveLength(1)
  expect(workers).toEqual([
    { policies: [], stops: 1 },
    { policies: [{ ...policy, lists: [], ...(admission === AS_ASKED ? {} : { anchors: [] }) }], stops: 1 },
  ])
  expect(gone).toEqual([])
  client.gone()
})

test('a request for more than the client may have is told past the client', async () => {
  const { worker: runner, stderr: control } = await outputOfWorker()
  const { host } = stubHost()
  const refused: string[] = []
  const refuse = (): never => {
    throw new StartFailure(NOT_GIVEN, 'a detail')
  }
  const admission: Admission = { ...AS_ASKED, launch: refuse }
  const client = new ServedClient({
    host,
    control,
    handing: { give: () => Promise.resolve() },
    admission,
    onGone: () => {},
    onRefused: (detail) => refused.push(detail),
  })
  runner.write(frame({ type: 'launch', id: 1, launch, subject }))
  await once(runner, 'data')
  expect(refused).toEqual(['a detail'])
  client.gone()
})

test('sockets that arrive when their worker has been stopped hold up no other one', async () => {
  const { worker: runner, stderr: control } = await outputOfWorker()
  const { host } = stubHost({ stderr: {} })
  const given: string[] = []
  const client = new ServedClient({
    host,
    control,
    handing: {
      async give(id, role, _end, arrived) {
        given.push(`${role} of ${id}`)
        await arrived()
      },
    },
    admission: AS_ASKED,
    onGone: () => {},
  })
  const say = (request: object): void => void runner.write(frame(request))
  const isGiven = (...sockets: readonly string[]): Promise<void> =>
    vi.waitFor(() => expect(given).toEqual(sockets), { timeout: SOON })
  say({ type: 'launch', id: 1, launch, subject })
  await isGiven('stderr of 1')
  say({ type: 'stop', id: 1, sequence: 1 })
  say({ type: 'launch', id: 2, launch, subject })
  const reader = new FrameReader(1 << 20)
  const said: unknown[] = []
  runner.on('data', (chunk: Buffer) => said.push(...reader.push(chunk)))
  const stopped = { type: 'done', id: 1, sequence: 1, exit: { code: 0, signal: null } }
  await vi.waitFor(() => expect(said).toContainEqual(stopped), { timeout: SOON })
  say({ type: 'received', id: 1, role: 'stderr' })
  await isGiven('stderr of 1', 'stderr of 2')
  client.gone()
})
