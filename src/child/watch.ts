/** Watches the running test, by the state that Vitest's worker keeps. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Trace } from '../protocol.js'
import { hasBindings } from './bindings.js'
import type { RuntimeParts } from './entry.js'
import { tellHosts } from './lookups.js'
import { fileBegins, traceRefusals } from './traces.js'

interface Task {
  readonly id: string
  readonly name: string
  readonly filepath?: string
  readonly concurrent?: boolean
  readonly suite?: Task
}

/** The watched part of Vitest's WorkerGlobalState: the running task and its file. */
export interface WorkerState {
  filepath?: string
  current?: Task
}

/** The concurrent test that goes on now. Costs nothing if no test is concurrent. */
const besideOthers = new AsyncLocalStorage<{ readonly id: string; readonly name: string }>()

/** Reports the place in the code of a refusal and, among several tests, the one that met it. */
export function traceTests({ trace, traced }: Pick<RuntimeParts, 'trace' | 'traced'>): void {
  const tell = (kind: Trace['kind'], stack: string): void => {
    const { id = '', name = '' } = besideOthers.getStore() ?? {}
    trace({ kind, id, test: name, stack })
  }
  // First, so that none of its frames are in the stacks of refused calls.
  if (hasBindings()) tellHosts(tell)
  traceRefusals(traced, tell)
}

/** Reports each change of the running test: Vitest assigns `current` and `filepath` as it goes. */
export function watch(state: WorkerState, mark: RuntimeParts['mark']): void {
  let { current, filepath } = state
  const tell = (): void =>
    mark({
      file: filepath ?? '',
      id: current === undefined || isFile(current) ? '' : current.id,
      test: current === undefined ? '' : fullName(current),
      concurrent: isConcurrent(current),
    })
  const onSet = <T>(key: 'current' | 'filepath', get: () => T, set: (next: T) => void): void =>
    void Object.defineProperty(state, key, { configurable: true, enumerable: true, get, set })
  onSet(
    'current',
    () => current,
    (next) => {
      current = next
      if (next !== undefined && isConcurrent(next)) besideOthers.enterWith({ id: next.id, name: fullName(next) })
      tell()
    },
  )
  onSet(
    'filepath',
    () => filepath,
    (next) => {
      filepath = next
      fileBegins()
      tell()
    },
  )
}

function isConcurrent(task: Task | undefined): boolean {
  for (let at = task; at !== undefined; at = at.suite) if (at.concurrent === true) return true
  return false
}

/** True for a file, which is a task of type 'suite' as well. */
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
