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

/** The part of Vitest's WorkerGlobalState that is watched: which task runs, of which file. */
export interface WorkerState {
  filepath?: string
  current?: Task
}

/** Of tests that run at the same time: which of them goes on now. Costs nothing where none does. */
const besideOthers = new AsyncLocalStorage<{ readonly id: string; readonly name: string }>()

/** Tells where in the code a refusal was met, and in which of several tests. */
export function traceTests({ trace, traced }: Pick<RuntimeParts, 'trace' | 'traced'>): void {
  const tell = (kind: Trace['kind'], stack: string): void => {
    const { id = '', name = '' } = besideOthers.getStore() ?? {}
    trace({ kind, id, test: name, stack })
  }
  // Before: no frame of its own lies in the stacks of refused calls.
  if (hasBindings()) tellHosts(tell)
  traceRefusals(traced, tell)
}

/** Vitest assigns `current` and `filepath` as it goes; so everyone can know which test runs. */
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
