/** The runner's side of the broker, over a link that says what a test wants. */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BrokerClient } from '../../src/broker/client.js'
import type { ControlRequest } from '../../src/broker/control.js'
import type { LinkEvents } from '../../src/broker/link.js'
import type { StartOptions } from '../../src/broker/worker.js'
import { policyData } from '../contracts/rules.js'
import { outputOfWorker } from './output.js'

const OPTIONS: StartOptions = {
  execArgv: [],
  env: {},
  policy: policyData([]),
  setup: { runner: 'node:path', runtime: 'node:path', preload: [], landlock: [] },
  denied: 'eacces',
  stageTimeout: 1000,
  onIncident: () => {},
  onFault: () => {},
}

function connected(): { readonly client: BrokerClient; readonly events: LinkEvents; readonly said: ControlRequest[] } {
  const said: ControlRequest[] = []
  const made: { events?: LinkEvents } = {}
  const client = new BrokerClient((events) => {
    made.events = events
    return { tag: undefined, say: (request) => void said.push(request), hold: () => {} }
  })
  if (made.events === undefined) throw new Error('nobody connected')
  return { client, events: made.events, said }
}

test('a start that fails before its output is here fails with what it printed, and in one way', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): unknown => unhandled.push(reason)
  // Vitest's own listeners would fail the run.
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', note)
  try {
    const { client, events, said } = connected()
    const started = client.start(OPTIONS)
    const told = expect(started).rejects.toThrow(/\(boot\): exit code 9[^]*bad option/)
    events.hear({ type: 'launched', id: 1, pid: 2 })
    while (!said.some(({ type }) => type === 'attach')) await setImmediate()
    events.hear({ type: 'failed', id: 1, stage: 'boot', detail: 'exit code 9' })
    await setImmediate()
    const { worker, stderr } = await outputOfWorker()
    worker.end('bad option')
    events.receive(1, 'stderr', stderr)
    await told
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', note)
    for (const other of others) process.on('unhandledRejection', other)
  }
})
