/**
 * The worker of Vitest 3, behind the filter: `vitest/workers` over our transport. Vitest imports this module by the
 * name in a task's context; its default export tells Vitest how to speak with the parent and how to run tests.
 */
import childProcess from 'node:child_process'
import { busySockets } from './busy.js'
import type { RuntimeParts } from './entry.js'
import { openTransport, restoreExit, standInForIpc, type Transport } from './transport.js'
import { traceTests, watch, type WorkerState } from './watch.js'

/** The functions in use from packages/vitest/src/public/workers.ts, and from src/runtime/worker.ts beside it. */
interface Vitest3Runtime {
  runVitestWorker(context: object): Promise<void>
  collectVitestWorkerTests(context: object): Promise<void>
  runBaseTests(method: 'run' | 'collect', state: WorkerState): Promise<void>
  teardown(): Promise<void>
}

interface RunRequest {
  readonly type: 'run' | 'collect' | 'stop'
  readonly context: object
}

const { memoryUsage, stdout, stderr } = process
let execute: (method: 'run' | 'collect', state: WorkerState) => Promise<void>
let transport: Transport
let hear: (message: unknown) => void = () => {}

export default {
  getRpcOptions: () => ({
    post: (message: unknown) => transport.post(message),
    on(listener: typeof hear) {
      hear = listener
    },
  }),
  runTests: (state: WorkerState) => execute('run', state),
  collectTests: (state: WorkerState) => execute('collect', state),
}

/** Runs before the filter. `runner`: `vitest/workers`, as a file: URL. */
export async function load(runner: string): Promise<unknown> {
  standInForIpc()
  // Tinypool leaves this in its workers: Vitest makes VITEST_POOL_ID of it.
  Object.assign(process, {
    __tinypool_state__: { isTinypoolWorker: true, workerId: Number(process.env.TINYPOOL_WORKER_ID) },
  })
  // Tinypool counts processors by a shell, and asks Node if that fails. Nothing is started before the filter.
  const { execSync } = childProcess
  childProcess.execSync = () => {
    throw new Error('nothing is started before the filter')
  }
  try {
    const [workers, worker]: object[] = await Promise.all([import(runner), import(new URL('worker.js', runner).href)])
    return { ...workers, ...worker }
  } finally {
    childProcess.execSync = execSync
  }
}

export function main({ transport: descriptor, runner, mark, trace, traced, busy }: RuntimeParts): void {
  // The cast: the pool resolved these modules from the running Vitest, so they have that version's shape.
  const { runVitestWorker, collectVitestWorkerTests, runBaseTests, teardown } = runner as Vitest3Runtime
  transport = openTransport(descriptor)
  traceTests({ trace, traced })
  // Neither this nor its callers below are async: see runtime.ts.
  execute = (method, state) => {
    watch(state, mark)
    return runBaseTests(method, state).finally(() => {
      restoreExit()
      busy?.(busySockets())
    })
  }
  const { post, listeners } = transport
  const respond = (type: string, rest: object = {}): void => post({ __vitest_worker_response__: true, type, ...rest })
  const run = ({ type, context }: RunRequest): Promise<void> =>
    (type === 'run' ? runVitestWorker : collectVitestWorkerTests)({ ...context, worker: import.meta.url })
      .then(() => Promise.all([flushed(stdout), flushed(stderr)]))
      .then(
        () => respond('testfileFinished', { usedMemory: memoryUsage().heapUsed }),
        (error: unknown) => respond('testfileFinished', { error: sendable(error) }),
      )
  listeners.add((message) => {
    if (!isRequest(message)) return hear(message)
    if (message.type !== 'stop') void run(message)
    else void teardown().finally(() => respond('stopped'))
  })
}

function isRequest(message: unknown): message is RunRequest {
  return message instanceof Object && '__vitest_worker_request__' in message
}

async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength > 0) await new Promise<void>((resolve) => void stream.write('', () => resolve()))
}

/** Makes an error that can be sent: an error may carry values that no message can. */
function sendable(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error))
  return Object.assign(new Error(error.message), { name: error.name, stack: error.stack })
}
