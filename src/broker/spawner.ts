import { realpathSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
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
  const spawner = reserve ?? new Spawner()
  reserve = undefined
  spawner.limit(executable)
  return spawner
}

/** A spawner thread, as the main thread sees it. */
export class Spawner {
  readonly #thread: Worker = startSpawnerThread()
  readonly #births = new Map<number, { ok: (pid: number) => void; bad: (error: Error) => void }>()
  readonly #exits = new Map<number, (exit: Exit) => void>()
  #next = 0
  /** The reason why its thread is gone. */
  #failure: Error | undefined

  constructor() {
    // Only the spawner thread writes here.
    this.#thread.on('message', (message: FromSpawner) => this.#receive(message))
    this.#thread.once('error', (error) => {
      this.#failure = error
      for (const { bad } of this.#births.values()) bad(error)
      this.#births.clear()
    })
    // Comes last: listening to a thread's messages keeps the process alive. It is kept alive only while the thread has
    // children.
    this.#thread.unref()
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
    const exited = new Promise<Exit>((resolve) => this.#exits.set(id, resolve))
    this.#thread.ref()
    const pid = await new Promise<number>((ok, bad) => {
      this.#births.set(id, { ok, bad })
      this.#say({ type: 'spawn', id, program, args, env, cwd, descriptors, ...(stdin === undefined ? {} : { stdin }) })
    })
    return { id, pid, exited }
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
    if (message.type === 'spawned') return birth?.ok(message.pid)
    if (message.type === 'failed') birth?.bad(new Error(message.message))
    else this.#exits.get(message.id)?.({ code: message.code, signal: message.signal })
    this.#exits.delete(message.id)
    if (this.#exits.size === 0) this.#thread.unref()
  }
}
