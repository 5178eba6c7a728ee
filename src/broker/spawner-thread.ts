/**
 * The thread that forks workers. Its one-rule filter (io_uring_setup: ENOSYS) is inherited, so that a worker is born
 * without a ring: Node 22 and later open three while they boot, and an open ring reaches files past any filter.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { parentPort, workerData } from 'node:worker_threads'
import { dropCapabilities, installOnThisThread, limitExecution, noNewPrivileges } from '../sys/confine.js'
import { closeOnExec } from '../sys/inherit.js'
import { LoadedCount } from './threads.js'

export type ToSpawner =
  | {
      /** Comes first, and once. */
      readonly type: 'limit'
      readonly filter: Uint8Array
      /** The programs that anything started here may execute, including Node; `any` sets no limit. */
      readonly programs: readonly string[] | 'any'
    }
  | {
      readonly type: 'spawn'
      readonly id: number
      readonly program: string
      readonly args: readonly string[]
      readonly env: Readonly<Record<string, string>>
      readonly cwd: string
      /** Numbers that become 1, 2, 3, 4 and so on in the child. */
      readonly descriptors: readonly number[]
      /** The number that becomes 0; without it, stdin is empty. */
      readonly stdin?: number
    }
  | { readonly type: 'kill'; readonly id: number; readonly signal: NodeJS.Signals }

export type FromSpawner =
  | { readonly type: 'spawned'; readonly id: number; readonly pid: number }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  | {
      readonly type: 'exited'
      readonly id: number
      readonly code: number | null
      readonly signal: NodeJS.Signals | null
    }

const children = new Map<number, ChildProcess>()

function say(message: FromSpawner): void {
  parentPort?.postMessage(message)
}

let isLimited = false

/**
 * Limits this thread, so that a worker is limited from its birth, in every thread: also in those that Node starts
 * before the worker's first line.
 */
function limit({ filter, programs }: ToSpawner & { type: 'limit' }): void {
  noNewPrivileges()
  dropCapabilities()
  if (programs !== 'any') limitExecution(programs)
  installOnThisThread(filter)
  isLimited = true
}

function start({ id, program, args, env, cwd, descriptors, stdin }: ToSpawner & { type: 'spawn' }): void {
  if (!isLimited) return say({ type: 'failed', id, message: 'the spawner has no limits yet' })
  closeOnExec()
  let child: ChildProcess
  try {
    child = spawn(program, args, { cwd, env: { ...env }, stdio: [stdin ?? 'ignore', ...descriptors] })
  } catch (error) {
    say({ type: 'failed', id, message: error instanceof Error ? error.message : String(error) })
    return
  }
  const { pid } = child
  child.once('error', (error) => say({ type: 'failed', id, message: error.message }))
  if (pid === undefined) return
  children.set(id, child)
  child.once('exit', (code, signal) => {
    children.delete(id)
    say({ type: 'exited', id, code, signal })
  })
  say({ type: 'spawned', id, pid })
}

// workerData and messages are typed any; only the host starts this file and writes to it.
parentPort?.on('message', (message: ToSpawner) => {
  switch (message.type) {
    case 'limit':
      return limit(message)
    case 'spawn':
      return start(message)
    case 'kill':
      return void children.get(message.id)?.kill(message.signal)
    default:
      message satisfies never
  }
})
new LoadedCount((workerData as { loaded: SharedArrayBuffer }).loaded).loaded()
