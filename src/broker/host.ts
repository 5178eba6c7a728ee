/**
 * The main thread's side: starts workers behind the filter and keeps the threads that serve them. One per process; its
 * threads never keep the process alive.
 */
import { Socket } from 'node:net'
import { pathToFileURL } from 'node:url'
import { WorkerStartError } from '../errors.js'
import { adoptOrphans, landlockAbi } from '../sys/confine.js'
import { socketPair } from '../sys/io.js'
import { BrokerThread } from './broker-thread.js'
import { Running, type ConfinedWorker, type StartOptions } from './running-worker.js'
import { limitedSpawner, type Child, type Spawner } from './spawner.js'
import { builtFile, builtFilter } from './threads.js'

export { COOKIE } from './leftovers.js'
export type { ConfinedWorker, StartOptions } from './running-worker.js'
export type { Exit } from './spawner.js'

let host: Host | undefined

export function theHost(): Host {
  host ??= new Host()
  return host
}

export class Host {
  readonly #filter = builtFilter('worker').toString('base64')
  readonly #spawners = new Map<string, Spawner>()
  readonly #idle: BrokerThread[] = []
  readonly #threads = new Set<BrokerThread>()

  constructor() {
    // What a worker leaves behind when it dies comes back here, to be ended.
    adoptOrphans()
    // A thread blocked in poll would hold up the end of the process until its wait is over.
    process.once('exit', () => {
      for (const thread of this.#threads) thread.command({ type: 'exit' })
    })
  }

  async start(options: StartOptions): Promise<ConfinedWorker> {
    const thread = this.#idleThread() ?? this.#newThread()
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      if (thread.isDead) this.#threads.delete(thread)
      else this.#idle.push(thread)
    }
    try {
      return await startWorker(thread, this.#spawnerFor(options.executable ?? []), this.#filter, options, release)
    } catch (error) {
      release()
      throw error
    }
  }

  /** A spawner's domain is for good, so there is one for each set of programs: one for each project, mostly. */
  #spawnerFor(executable: readonly string[] | 'any'): Spawner {
    const key = JSON.stringify(executable)
    const known = this.#spawners.get(key)
    if (known !== undefined) return known
    const made = limitedSpawner(executable)
    this.#spawners.set(key, made)
    return made
  }

  /** One that ended by itself serves nobody. */
  #idleThread(): BrokerThread | undefined {
    for (let thread = this.#idle.pop(); thread !== undefined; thread = this.#idle.pop()) {
      if (!thread.isDead) return thread
      this.#threads.delete(thread)
    }
    return undefined
  }

  #newThread(): BrokerThread {
    const thread = new BrokerThread()
    this.#threads.add(thread)
    return thread
  }
}

async function startWorker(
  thread: BrokerThread,
  spawner: Spawner,
  filter: string,
  options: StartOptions,
  release: () => void,
): Promise<ConfinedWorker> {
  const [out, outChild] = socketPair('stream')
  const [err, errChild] = socketPair('stream')
  const [rpc, rpcChild] = socketPair('stream')
  const [channel, channelChild] = socketPair('packets')
  const given = [outChild, errChild, channelChild, rpcChild] as const
  const kept = [out, err, rpc, channel] as const
  let child: Child
  let policy: StartOptions['policy']
  let setup: StartOptions['setup']
  try {
    child = await spawner.spawn(process.execPath, [...options.execArgv, builtFile('child.cjs')], options.env, [
      outChild.number,
      errChild.number,
      channelChild.number,
      rpcChild.number,
    ])
  } catch (error) {
    for (const end of kept) end.close()
    throw new WorkerStartError('fork', error instanceof Error ? error.message : String(error))
  } finally {
    for (const end of given) end.close()
  }
  try {
    // Only now: the process takes its time to come to its first line, and may as well be on its way meanwhile.
    ;({ policy, setup } = options)
  } catch (error) {
    // It ends by itself where nobody tells it what to run.
    for (const end of kept) end.close()
    throw error
  }
  const stdout = new Socket({ fd: out.release(), readable: true, writable: false })
  const stderr = new Socket({ fd: err.release(), readable: true, writable: false })
  const transport = new Socket({ fd: rpc.release(), readable: true, writable: true })
  const worker = new Running(thread, spawner, child, { stdout, stderr, transport }, options, release)
  thread.attach(worker, {
    type: 'attach',
    pid: child.pid,
    channel: channel.release(),
    policy,
    denied: options.denied,
    execAuthority: landlockAbi() > 0 ? 'landlock' : options.execWithoutLandlock === true ? 'unsafe' : 'none',
    ledger: options.onLedger !== undefined,
    setup: { runtime: pathToFileURL(builtFile('runtime.js')).href, ...setup, filter },
  })
  try {
    await worker.up(options.stageTimeout)
  } catch (error) {
    await worker.stop()
    throw error
  }
  return worker
}
