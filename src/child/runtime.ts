/**
 * Vitest's worker, behind the filter: its own entry (`vitest/worker`) over our transport. Loaded before the filter, run
 * after it. What tests could overwrite is taken here.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { Socket } from 'node:net'
import { frame, FrameReader } from '../framing.js'
import type { RuntimeParts } from './entry.js'
import { fileBegins, traceRefusals } from './traces.js'

interface Task {
  readonly id: string
  readonly name: string
  readonly filepath?: string
  readonly concurrent?: boolean
  readonly suite?: Task
}

/** The part of Vitest's WorkerGlobalState that is watched: which task runs, of which file. */
interface WorkerState {
  filepath?: string
  current?: Task
}

/** `vitest/worker` of Vitest 4.0.16 and later: packages/vitest/src/public/worker.ts. */
interface Runner {
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

const exit = process.exit.bind(process)

export function main({ transport, runner, mark, trace, traced }: RuntimeParts): void {
  // The pool resolved this module from the Vitest that runs; its shape is that version's.
  const { init, runBaseTests, setupEnvironment } = runner as Runner
  const socket = new Socket({ fd: transport, readable: true, writable: true })
  const reader = new FrameReader(Number.MAX_SAFE_INTEGER)
  const listeners = new Set<(message: unknown) => void>()
  // A worker without its parent has nobody to work for: the stock pool's does the same on `disconnect`.
  socket.on('error', () => exit(1))
  socket.on('close', () => exit(1))
  socket.on('data', (chunk: Buffer) => {
    for (const message of reader.push(chunk)) {
      for (const listener of listeners) listener(message)
    }
  })
  standInForIpc()
  traceRefusals(traced, (kind, stack) => {
    const { id = '', name = '' } = besideOthers.getStore() ?? {}
    trace({ kind, id, test: name, stack })
  })
  const execute = async (method: 'run' | 'collect', state: WorkerState, traces: unknown): Promise<void> => {
    watch(state, mark)
    try {
      await runBaseTests(method, state, traces)
    } finally {
      process.exit = exit
    }
  }
  init({
    post: (message) => void socket.write(frame(message)),
    on: (listener) => void listeners.add(listener),
    off: (listener) => void listeners.delete(listener),
    teardown: () => listeners.clear(),
    runTests: (state, traces) => execute('run', state, traces),
    collectTests: (state, traces) => execute('collect', state, traces),
    setup: setupEnvironment,
  })
}

/**
 * Vitest takes `process.send` as the sign of a child process (fake timers then leave nextTick alone, which this
 * transport needs as much as IPC does), and tests may call it: like the stock pool, nobody answers.
 */
function standInForIpc(): void {
  Object.defineProperty(process, 'send', { configurable: true, writable: true, value: function send(): boolean { return true } })
  Object.defineProperty(process, 'connected', { configurable: true, writable: true, value: true })
}

/** Of tests that run at the same time: which of them goes on now. Costs nothing where none does. */
const besideOthers = new AsyncLocalStorage<{ readonly id: string; readonly name: string }>()

/** Vitest assigns `current` and `filepath` as it goes; so everyone can know which test runs. */
function watch(state: WorkerState, mark: RuntimeParts['mark']): void {
  let { current, filepath } = state
  const tell = (): void => mark({
    file: filepath ?? '', id: current === undefined || isFile(current) ? '' : current.id,
    test: current === undefined ? '' : fullName(current), concurrent: isConcurrent(current),
  })
  Object.defineProperty(state, 'current', {
    configurable: true, enumerable: true, get: () => current,
    set(next: Task | undefined) {
      current = next
      if (next !== undefined && isConcurrent(next)) besideOthers.enterWith({ id: next.id, name: fullName(next) })
      tell()
    },
  })
  Object.defineProperty(state, 'filepath', {
    configurable: true, enumerable: true, get: () => filepath,
    set(next: string | undefined) {
      filepath = next
      fileBegins()
      tell()
    },
  })
}

function isConcurrent(task: Task | undefined): boolean {
  for (let at = task; at !== undefined; at = at.suite) if (at.concurrent === true) return true
  return false
}

/** A file is a task of type 'suite' as well. */
function isFile(task: Task): boolean {
  return task.filepath !== undefined
}

function fullName(task: Task): string {
  const names: string[] = []
  for (let at: Task | undefined = task; at !== undefined && !isFile(at); at = at.suite) {
    if (at.name !== '') names.unshift(at.name)
  }
  return names.join(' > ')
}
