import { realpathSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import { ROUND_MS } from '../limits.js'
import { reap } from '../sys/confine.js'
import { builtFilter } from './built.js'
import { interpretersOf } from './programs.js'
import type { FromSpawner, ToSpawner } from './spawner-thread.js'
import { startSpawnerThread } from './threads.js'
import type { Exit } from './worker.js'

/** A worker's process, as its parent thread knows it. */
export interface SpawnedProcess {
  readonly id: number
  readonly pid: number
  readonly exited: Promise<Exit>
  /** Resolves to the reason if its parent thread ends before it: then it has to be killed. */
  readonly lost: Promise<string>
}

interface Child {
  pid?: number
  readonly exit: (exit: Exit) => void
  readonly lose: (reason: string) => void
}

let reserve: Spawner | undefined

/** Starts the thread of the next spawner early. It starts no process before it has its limits. */
export function prepareSpawner(): void {
  reserve ??= new Spawner()
}

/**
 * Makes a spawner whose children, and all that they start, can execute only these programs and Node itself. The limit
 * is for good.
 */
export function limitedSpawner(executable: readonly string[] | 'any'): Spawner {
  const spawner = reserve?.hasFailed === false ? reserve : new Spawner()
  reserve = undefined
  spawner.limit(executable)
  return spawner
}

/** A spawner thread, as the main thread sees it. */
export class Spawner {
  readonly #thread: Worker = startSpawnerThread()
  readonly #births = new Map<number, { ok: (pid: number) => void; bad: (error: Error) => void }>()
  readonly #children = new Map<number, Child>()
  #next = 0
  /** The reason why its thread is gone. */
  #failure: Error | undefined

  constructor() {
    // Only the spawner thread writes here.
    this.#thread.on('message', (message: FromSpawner) => this.#receive(message))
    this.#thread.once('error', (error) => this.#failed(error))
    // Comes last: listening to a thread's messages keeps the process alive. It is kept alive only while the thread has
    // children.
    this.#thread.unref()
  }

  /** True once its thread is gone: another one has to start what comes. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Sets the limits. Called once, before the first spawn. */
  limit(executable: readonly string[] | 'any'): void {
    const programs =
      executable === 'any'
        ? 'any'
        : [...new Set([realpathSync(process.execPath), ...interpretersOf(process.execPath), ...executable])]
    this.#say({ type: 'limit', filter: builtFilter('spawner'), programs })
  }

  async spawn(
    program: string,
    args: string[],
    env: Readonly<Record<string, string>>,
    cwd: string,
    descriptors: readonly number[],
    stdin?: number,
  ): Promise<SpawnedProcess> {
    if (this.#failure !== undefined) throw this.#failure
    const id = ++this.#next
    let lose: (reason: string) => void = () => {}
    const lost = new Promise<string>((resolve) => {
      lose = resolve
    })
    const exited = new Promise<Exit>((exit) => this.#children.set(id, { exit, lose }))
    this.#thread.ref()
    const pid = await new Promise<number>((ok, bad) => {
      this.#births.set(id, { ok, bad })
      this.#say({ type: 'spawn', id, program, args, env, cwd, descriptors, ...(stdin === undefined ? {} : { stdin }) })
    })
    return { id, pid, exited, lost }
  }

  /** Ends its thread, once nothing is left of what it started. */
  end(): void {
    void this.#thread.terminate()
  }

  kill({ id }: SpawnedProcess, name: NodeJS.Signals): void {
    this.#say({ type: 'kill', id, signal: name })
  }

  #say(message: ToSpawner): void {
    this.#thread.postMessage(message)
  }

  #receive(message: FromSpawner): void {
    const birth = this.#births.get(message.id)
    this.#births.delete(message.id)
    const child = this.#children.get(message.id)
    if (message.type === 'spawned') {
      if (child !== undefined) child.pid = message.pid
      return birth?.ok(message.pid)
    }
    if (message.type === 'failed') birth?.bad(new Error(message.message))
    else child?.exit({ code: message.code, signal: message.signal })
    this.#children.delete(message.id)
    if (this.#children.size === 0) this.#thread.unref()
  }

  #failed(error: Error): void {
    this.#failure = error
    for (const { bad } of this.#births.values()) bad(error)
    this.#births.clear()
    for (const child of this.#children.values()) void end(child, `the thread that started it ended: ${error.message}`)
    this.#children.clear()
  }
}

/**
 * Waits for a process whose parent thread is gone. The kernel gives it to another thread of this process, but libuv does
 * not wait for it any more.
 */
async function end({ pid, exit, lose }: Child, reason: string): Promise<void> {
  if (pid === undefined) return
  lose(reason)
  while (!reap(pid)) await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
  exit({ code: null, signal: 'SIGKILL' })
}
