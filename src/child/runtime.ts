/** The worker of Vitest 4 and 5, behind the filter: Vitest's own entry (`vitest/worker`) over our transport. */
import { busySockets } from './busy.js'
import type { RuntimeParts } from './entry.js'
import { exitIfProfiled, openTransport, restoreExit, standInForIpc } from './transport.js'
import { traceTests, watch, type WorkerState } from './watch.js'

/** `vitest/worker` of Vitest 4.0.16 and later: packages/vitest/src/public/worker.ts. */
interface VitestRuntime {
  init(worker: {
    post: (message: unknown) => void
    on: (listener: (message: unknown) => void) => void
    off: (listener: (message: unknown) => void) => void
    teardown: () => void
    runTests: (state: WorkerState, traces: unknown) => unknown
    collectTests: (state: WorkerState, traces: unknown) => unknown
    setup: unknown
  }): void
  runBaseTests(method: 'run' | 'collect', state: WorkerState, traces: unknown): Promise<void>
  setupEnvironment: unknown
}

export function main({ transport, runner, mark, trace, traced, busy }: RuntimeParts): void {
  // The cast: the pool resolved this module from the running Vitest, so it has that version's shape.
  const { init, runBaseTests, setupEnvironment } = runner as VitestRuntime
  const { post, listeners } = openTransport(transport)
  standInForIpc()
  // In Vitest 3 the runner does it.
  exitIfProfiled()
  traceTests({ trace, traced })
  // Not async: an async function would show in the stack of an error while a file is collected, and Vitest hides only
  // its own frames.
  const execute = (method: 'run' | 'collect', state: WorkerState, traces: unknown): Promise<void> => {
    watch(state, mark)
    return runBaseTests(method, state, traces).finally(() => {
      restoreExit()
      busy?.(busySockets())
    })
  }
  init({
    post,
    on: (listener) => void listeners.add(listener),
    off: (listener) => void listeners.delete(listener),
    teardown: () => listeners.clear(),
    runTests: (state, traces) => execute('run', state, traces),
    collectTests: (state, traces) => execute('collect', state, traces),
    setup: setupEnvironment,
  })
}
