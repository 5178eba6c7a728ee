/**
 * The main thread's side: starts workers behind the filter and keeps the threads that serve them. One per process; its
 * threads never keep the process alive.
 */
import { readFileSync, readdirSync, realpathSync } from 'node:fs'
import { Socket } from 'node:net'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import { compile } from '../bpf/compile.js'
import { encode } from '../bpf/instruction.js'
import { WorkerStartError } from '../errors.js'
import type { PolicyData } from '../policy/policy.js'
import type { Setup } from '../protocol.js'
import { landlockAbi } from '../sys/confine.js'
import { hostArch } from '../sys/host.js'
import { Bell, socketPair } from '../sys/io.js'
import { spawnerFilter, workerFilter } from '../syscalls/filter.js'
import { INCIDENTS, type Denied, type FromBroker, type Incident, type ToBroker } from './messages.js'
import { interpretersOf } from './programs.js'
import type { FromSpawner, ToSpawner } from './spawner-thread.js'

/** Built beside this file, as bundles of their own: they start faster than a tree of modules. */
const file = (name: string): string => fileURLToPath(new URL(`../threads/${name}`, import.meta.url))

/** Modules that NODE_OPTIONS loads have no business in our threads. A thread with options of its own parses those instead. */
const WITHOUT_PRELOADS = { ...process.env, NODE_OPTIONS: '' }

export interface StartOptions {
  readonly execArgv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly policy: PolicyData
  readonly denied: Denied
  /** Paths that the worker and its children may execute at all; `any` where nothing is enforced. */
  readonly executable?: readonly string[] | 'any'
  /** `runtime`: what the worker runs; Vitest's worker by default. */
  readonly setup: Omit<Setup, 'filter' | 'runtime'> & Partial<Pick<Setup, 'runtime'>>
  /** Milliseconds that one stage of the start may last. */
  readonly stageTimeout: number
  readonly onIncident: (incident: Incident) => void
  /** The broker failed or the worker broke the protocol. The worker is not to be trusted with more work. */
  readonly onFault: (detail: string) => void
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ConfinedWorker {
  readonly pid: number
  /** Messages to and from the worker's runtime: bytes, framed by the caller. */
  readonly transport: Socket
  readonly stdout: Socket
  readonly stderr: Socket
  readonly landlock: number
  readonly exited: Promise<Exit>
  /** Resolves once the broker decides by it. */
  setPolicy(policy: PolicyData): Promise<void>
  /** Resolves once every incident recorded so far has reached `onIncident`. */
  settled(): Promise<void>
  /** At once and without waiting, for the end of the whole process. */
  kill(): void
  /** Ends the worker and all it started, and returns once nothing of them is left. Right in every state. */
  stop(): Promise<Exit>
}

let host: Host | undefined

export function theHost(): Host {
  host ??= new Host()
  return host
}

export class Host {
  readonly #filter = Buffer.from(encode(compile(workerFilter(hostArch())))).toString('base64')
  readonly #spawners = new Map<string, Spawner>()
  readonly #idle: BrokerThread[] = []
  readonly #threads = new Set<BrokerThread>()

  constructor() {
    // A thread blocked in poll would hold up the end of the process until its wait is over.
    process.once('exit', () => {
      for (const thread of this.#threads) thread.command({ type: 'exit' })
    })
  }

  async start(options: StartOptions): Promise<ConfinedWorker> {
    const thread = this.#idle.pop() ?? this.#newThread()
    try {
      return await startWorker(thread, this.#spawnerFor(options.executable ?? []), this.#filter, options, () => this.#idle.push(thread))
    } catch (error) {
      this.#idle.push(thread)
      throw error
    }
  }

  /** A spawner's domain is for good, so there is one for each set of programs: one for each project, mostly. */
  #spawnerFor(executable: readonly string[] | 'any'): Spawner {
    const key = JSON.stringify(executable)
    const known = this.#spawners.get(key)
    if (known !== undefined) return known
    const made = new Spawner(executable)
    this.#spawners.set(key, made)
    return made
  }

  #newThread(): BrokerThread {
    const thread = new BrokerThread()
    this.#threads.add(thread)
    return thread
  }
}

async function startWorker(
  thread: BrokerThread, spawner: Spawner, filter: string, options: StartOptions, release: () => void,
): Promise<ConfinedWorker> {
  const [out, outChild] = socketPair('stream')
  const [err, errChild] = socketPair('stream')
  const [rpc, rpcChild] = socketPair('stream')
  const [channel, channelChild] = socketPair('packets')
  const given = [outChild, errChild, channelChild, rpcChild] as const
  const kept = [out, err, rpc, channel] as const
  let child: Child
  try {
    child = await spawner.spawn(process.execPath, [...options.execArgv, file('child.cjs')], options.env,
      [outChild.number, errChild.number, channelChild.number, rpcChild.number])
  } catch (error) {
    for (const end of kept) end.close()
    throw new WorkerStartError('fork', error instanceof Error ? error.message : String(error))
  } finally {
    for (const end of given) end.close()
  }
  const stdout = new Socket({ fd: out.release(), readable: true, writable: false })
  const stderr = new Socket({ fd: err.release(), readable: true, writable: false })
  const transport = new Socket({ fd: rpc.release(), readable: true, writable: true })
  const worker = new Running(thread, spawner, child, { stdout, stderr, transport }, options, release)
  thread.attach(worker, {
    type: 'attach', pid: child.pid, channel: channel.release(), policy: options.policy, denied: options.denied,
    execAuthority: landlockAbi() > 0 ? 'landlock' : 'none',
    setup: { runtime: pathToFileURL(file('runtime.js')).href, ...options.setup, filter },
  })
  try {
    await worker.up(options.stageTimeout)
  } catch (error) {
    await worker.stop()
    throw error
  }
  return worker
}

class Running implements ConfinedWorker {
  readonly pid: number
  readonly exited: Promise<Exit>
  readonly stdout: Socket
  readonly stderr: Socket
  readonly transport: Socket
  landlock = 0
  #received = 0
  #exit: Exit | undefined
  #stopping: Promise<Exit> | undefined
  #sequence = 0
  readonly #policies = new Map<number, () => void>()
  readonly #waiting = new Set<() => void>()
  readonly #baseline: number
  #onStage: (stage: string) => void = () => {}
  #onHello: () => void = () => {}
  #onFailure: (detail: string) => void = () => {}
  readonly #ended: Promise<void>
  #end: () => void = () => {}

  constructor(
    readonly thread: BrokerThread, readonly spawner: Spawner, readonly child: Child,
    sockets: { stdout: Socket; stderr: Socket; transport: Socket }, readonly options: StartOptions, readonly release: () => void,
  ) {
    this.pid = child.pid
    this.stdout = sockets.stdout
    this.stderr = sockets.stderr
    this.transport = sockets.transport
    this.#baseline = thread.incidents
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.exited = child.exited.then((exit) => {
      this.#exit = exit
      return exit
    })
    for (const socket of Object.values(sockets)) {
      // A worker that dies resets its sockets; that it died is told by `exited`.
      socket.on('error', () => socket.destroy())
    }
  }

  async up(stageTimeout: number): Promise<void> {
    let stage = 'boot'
    let printed = ''
    const collect = (chunk: Buffer): void => {
      printed = (printed + chunk.toString()).slice(-4000)
    }
    this.stderr.on('data', collect)
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (detail: string): void => {
          // What a dying worker printed arrives just after its exit.
          setTimeout(() => reject(new WorkerStartError(stage, detail, printed)), 20)
        }
        const patience = (): void => {
          clearTimeout(timer)
          timer = setTimeout(() => fail(`no progress for ${stageTimeout} ms`), stageTimeout)
        }
        patience()
        this.#onStage = (next) => {
          stage = next
          patience()
        }
        this.#onHello = resolve
        this.#onFailure = fail
        void this.exited.then(({ code, signal }) => fail(`the process ended with ${signal ?? `exit code ${code}`}`))
      })
    } finally {
      clearTimeout(timer)
      this.stderr.off('data', collect)
      this.stderr.pause()
      // Warnings of a start that went well are for the one who reads the worker's output from here on.
      if (printed !== '' && !this.stderr.readableEnded) this.stderr.unshift(Buffer.from(printed))
      this.#onFailure = () => {}
    }
  }

  receive(message: FromBroker): void {
    switch (message.type) {
      case 'stage': return this.#onStage(message.stage)
      case 'hello':
        this.landlock = message.landlock
        return this.#onHello()
      case 'policy-set':
        this.#policies.get(message.sequence)?.()
        this.#policies.delete(message.sequence)
        return
      case 'incident':
        this.#received++
        this.options.onIncident(message.incident)
        for (const look of this.#waiting) look()
        return
      case 'fault':
        this.#onFailure(message.detail)
        return this.options.onFault(message.detail)
      case 'ended':
        for (const resolve of this.#policies.values()) resolve()
        return this.#end()
      default: message satisfies never
    }
  }

  setPolicy(policy: PolicyData): Promise<void> {
    if (this.#stopping !== undefined) return Promise.resolve()
    const sequence = ++this.#sequence
    return new Promise((resolve) => {
      this.#policies.set(sequence, resolve)
      this.thread.command({ type: 'policy', sequence, policy })
    })
  }

  settled(): Promise<void> {
    const posted = this.thread.incidents - this.#baseline
    if (this.#received >= posted) return Promise.resolve()
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#received < posted) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
    })
  }

  kill(): void {
    if (this.#exit !== undefined) return
    killDescendants(this.pid)
    signal(this.pid, 'SIGKILL')
  }

  stop(): Promise<Exit> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<Exit> {
    if (this.#exit === undefined) {
      killDescendants(this.pid)
      this.spawner.kill(this.child, 'SIGTERM')
    }
    // A worker that holds on to SIGTERM gets what the stock pool gives it: half a second, then SIGKILL.
    const hard = setTimeout(() => this.spawner.kill(this.child, 'SIGKILL'), GRACE_MS)
    const exit = await this.exited
    clearTimeout(hard)
    await this.settled()
    // The listener hangs up when the last process behind the filter is gone; if it does not, somebody is left.
    if (!await soon(this.#ended)) {
      killStrays(this.options.env[COOKIE])
      this.thread.command({ type: 'detach' })
      await this.#ended
    }
    this.thread.detach()
    for (const socket of [this.transport, this.stdout, this.stderr]) socket.destroySoon()
    this.release()
    return exit
  }
}

/** In the environment of a worker and what it starts: names leftovers of it. */
export const COOKIE = 'VITEST_SECCOMP_WORKER'

const GRACE_MS = 500
const HANG_UP_MS = 50

async function soon(event: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), HANG_UP_MS)
  })
  const first = await Promise.race([event.then(() => true as const), late])
  clearTimeout(timer)
  return first
}

/** While their ancestor still holds them together: the worker is the reaper of its orphans. */
function killDescendants(root: number): void {
  for (let round = 0; round < 20; round++) {
    const found = descendants(root)
    if (found.length === 0) break
    for (const pid of found) signal(pid, 'SIGKILL')
  }
}

function descendants(root: number): number[] {
  const found: number[] = []
  const queue = [root]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const child of childrenOf(next)) {
      found.push(child)
      queue.push(child)
    }
  }
  return found.filter((pid) => !isZombie(pid))
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
      readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8').split(' ').filter((text) => text !== '').map(Number))
  } catch (error) {
    return goneOrThrow(error, [])
  }
}

function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch (error) {
    return goneOrThrow(error, true)
  }
}

/** Processes that outlived a worker which died by itself carry its cookie. The filter already lets them do nothing more. */
function killStrays(cookie: string | undefined): void {
  if (cookie === undefined) return
  const mark = `${COOKIE}=${cookie}`
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    try {
      if (readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(mark)) signal(Number(name), 'SIGKILL')
    } catch (error) {
      goneOrThrow(error, undefined)
    }
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    goneOrThrow(error, undefined)
  }
}

/** A process that ended meanwhile, or belongs to somebody else, is not ours to end. */
function goneOrThrow<T>(error: unknown, otherwise: T): T {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return otherwise
  throw error
}

class BrokerThread {
  readonly #port: MessagePort
  readonly #bell = new Bell()
  readonly #counters = new Int32Array(new SharedArrayBuffer(16))
  #worker: Running | undefined

  constructor() {
    const { port1, port2 } = new MessageChannel()
    const thread = new Worker(file('broker.js'), {
      workerData: { bell: this.#bell.fd.number, port: port2, counters: this.#counters }, transferList: [port2],
      execArgv: [], env: WITHOUT_PRELOADS, stdin: false, name: 'vitest-pool-seccomp broker',
    })
    thread.unref()
    thread.once('error', (error) => this.#worker?.receive({ type: 'fault', detail: `the broker thread ended: ${error.message}` }))
    thread.once('exit', () => this.#worker?.receive({ type: 'ended' }))
    this.#port = port1
    // Only the host writes to the other end.
    port1.on('message', (message: FromBroker) => this.#worker?.receive(message))
    port1.unref()
  }

  get incidents(): number {
    return Atomics.load(this.#counters, INCIDENTS)
  }

  command(command: ToBroker): void {
    this.#port.postMessage(command)
    this.#bell.ring()
  }

  attach(worker: Running, command: ToBroker): void {
    this.#worker = worker
    this.#port.ref()
    this.command(command)
  }

  detach(): void {
    this.#worker = undefined
    this.#port.unref()
  }
}

interface Child {
  readonly id: number
  readonly pid: number
  readonly exited: Promise<Exit>
}

class Spawner {
  readonly #thread: Worker
  readonly #births = new Map<number, { ok: (pid: number) => void; bad: (error: Error) => void }>()
  readonly #exits = new Map<number, (exit: Exit) => void>()
  #next = 0

  constructor(executable: readonly string[] | 'any') {
    const programs = executable === 'any' ? 'any' : [...new Set([realpathSync(process.execPath), ...interpretersOf(process.execPath), ...executable])]
    this.#thread = new Worker(file('spawner.js'), {
      workerData: { filter: encode(compile(spawnerFilter(hostArch()))), programs }, execArgv: [], env: WITHOUT_PRELOADS, stdin: false,
      name: 'vitest-pool-seccomp spawner',
    })
    this.#thread.unref()
    // Only the spawner thread writes here.
    this.#thread.on('message', (message: FromSpawner) => this.#receive(message))
    this.#thread.once('error', (error) => {
      for (const { bad } of this.#births.values()) bad(error)
      this.#births.clear()
    })
  }

  async spawn(program: string, args: string[], env: Readonly<Record<string, string>>, descriptors: readonly [number, number, number, number]): Promise<Child> {
    const id = ++this.#next
    const exited = new Promise<Exit>((resolve) => this.#exits.set(id, resolve))
    this.#thread.ref()
    const pid = await new Promise<number>((ok, bad) => {
      this.#births.set(id, { ok, bad })
      this.#say({ type: 'spawn', id, program, args, env, descriptors })
    })
    return { id, pid, exited }
  }

  kill({ id }: Child, name: 'SIGTERM' | 'SIGKILL'): void {
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
