/** Vitest's PoolWorker over a confined process: packages/vitest/src/node/pools/types.ts of Vitest 4 and 5. */
import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PoolOptions as VitestPoolOptions, PoolWorker, WorkerRequest } from 'vitest/node'
import { COOKIE, theHost, type ConfinedWorker, type Exit } from '../broker/host.js'
import type { Incident } from '../broker/messages.js'
import { ProtocolError, WorkerStartError } from '../errors.js'
import { frame, FrameReader } from '../framing.js'
import { POOL_NAME } from './choosing-worker.js'
import type { Gate } from './gate/gate.js'
import { openGate } from './gate/open.js'
import { atParentEnd } from './parent-end.js'
import { deferPreloads, joinNodeOptions, splitNodeOptions } from './preload.js'
import type { ProjectPolicy } from './project-policy.js'
import { Relay } from './relay.js'
import { WorkerLedger, wantsLedger } from './run-ledger.js'
import { hintOf, violationOf, type Violation, type ViolationContext } from './violations.js'

/** A worker's message to the parent. Coverage of a large project is some tens of MiB. */
const MAX_MESSAGE = 512 * 1024 * 1024
const STAGE_TIMEOUT = 5000
const OUTPUT_MS = 100
const TMP_NAME = 'vitest-seccomp-'
const STOPPED = { __vitest_worker_response__: true, type: 'stopped' } as const
/** Messages that wait to be checked: beyond, the worker has to wait. */
const MOST_WAITING = 256

/** Vitest's own type for it: the events carry different things. */
type Listener = Parameters<PoolWorker['on']>[1]

export class SeccompPoolWorker implements PoolWorker {
  readonly name = POOL_NAME
  /** Transformed code comes by message: a worker needs no file of the parent's for it. */
  readonly cacheFs = false
  readonly #events = new EventEmitter()
  readonly #relay: Relay
  #worker: ConfinedWorker | undefined
  #gate: Gate | undefined
  #ledger: WorkerLedger | undefined
  #tmp: string | undefined
  #preloads: readonly string[] = []
  #inbox: Promise<void> = Promise.resolve()
  #waiting = 0
  #outbox: Promise<void> = Promise.resolve()
  #cancelDuty: () => void = () => {}
  #stopping: Promise<void> | undefined
  /** Of Vitest's own start, which the worker answers with `started`. */
  #phase: 'idle' | 'starting' | 'up' = 'idle'
  /** Why the worker cannot answer. */
  #failure: string | undefined
  #breached = false
  #patience: NodeJS.Timeout | undefined

  constructor(readonly options: VitestPoolOptions, readonly policy: ProjectPolicy) {
    this.#relay = new Relay(options.project, policy.options.onViolation)
    // A worker that dies before Vitest listens must not end the run.
    this.#events.on('error', () => {})
  }

  on(event: string, listener: Listener): void {
    this.#events.on(event, listener)
  }

  off(event: string, listener: Listener): void {
    this.#events.off(event, listener)
  }

  deserialize(data: unknown): unknown {
    return data
  }

  async start(): Promise<void> {
    const tmp = realpathSync(mkdtempSync(join(tmpdir(), TMP_NAME)))
    this.#tmp = tmp
    this.#cancelDuty = atParentEnd(() => this.#abandon())
    try {
      this.#worker = await this.#startWorker(tmp)
    } catch (error) {
      this.#removeTmp()
      throw error
    }
    this.#listen(this.#worker)
  }

  #startWorker(tmp: string): Promise<ConfinedWorker> {
    const { distPath, project } = this.options
    const own = (path: string): boolean => path.startsWith(`${distPath}/`) || path.startsWith(`${join(distPath, '..')}/`)
    const cwd = process.cwd()
    const argv = deferPreloads(this.options.execArgv, cwd, own)
    const env = definedOnly(this.options.env)
    const nodeOptions = deferPreloads(splitNodeOptions(env.NODE_OPTIONS ?? ''), cwd, own)
    if (env.NODE_OPTIONS !== undefined) env.NODE_OPTIONS = joinNodeOptions(nodeOptions.argv)
    const preload = [...nodeOptions.preload, ...argv.preload]
    this.#preloads = preload.map(({ specifier }) => specifier).filter((specifier) => specifier.startsWith('/') || specifier.startsWith('file:'))
      .map((specifier) => specifier.replace(/^file:\/\//, ''))
    const policy = this.policy.for(tmp, [], this.#preloads)
    const ledger = wantsLedger(this.policy.options) ? new WorkerLedger(project, tmp) : undefined
    this.#ledger = ledger
    this.#gate = openGate({
      policy: this.policy, data: policy, tmpName: TMP_NAME,
      reply: (message) => this.#post(message),
      describe: (incident) => this.#violationOf(incident),
      record: (incident) => this.#incident(incident),
      keepsLedger: ledger !== undefined,
    })
    return theHost().start({
      execArgv: argv.argv,
      env: { ...env, TMPDIR: tmp, TMP: tmp, TEMP: tmp, [COOKIE]: randomUUID() },
      policy,
      denied: this.policy.options.denied,
      executable: this.policy.executable,
      stageTimeout: STAGE_TIMEOUT,
      setup: {
        runner: pathToFileURL(join(distPath, 'worker.js')).href, preload,
        landlock: [
          ...this.policy.runtimeTrees.map((path) => ({ path, right: 'read' as const })),
          ...(this.policy.executable === 'any' ? ['/'] : this.policy.executable).map((path) => ({ path, right: 'execute' as const })),
        ],
      },
      onIncident: (incident) => this.#incident(incident),
      ...(ledger === undefined ? {} : { onLedger: (batch) => ledger.add(batch) }),
      onFault: (detail) => this.#breach(`${project.name === '' ? '' : `[${project.name}] `}${detail}`),
    })
  }

  #incident(incident: Incident): void {
    if (this.policy.options.mode === 'audit') return
    const violation = this.#violationOf(incident)
    if (violation !== undefined) this.#relay.violation(violation, incident.label?.file)
    const hint = hintOf(incident, this.#violationContext)
    if (hint !== undefined) this.#relay.hint(hint, incident.label?.file)
  }

  get #violationContext(): ViolationContext {
    return { suggest: this.policy.suggestContext(this.#tmp ?? tmpdir()), mode: this.policy.options.mode }
  }

  #violationOf(incident: Incident): Violation | undefined {
    return violationOf(incident, this.#violationContext)
  }

  #listen(worker: ConfinedWorker): void {
    const { outputStream, errorStream } = this.options.project.vitest.logger
    show(worker.stdout, outputStream)
    show(worker.stderr, errorStream)
    const reader = new FrameReader(MAX_MESSAGE)
    worker.transport.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.#take(worker, message)
      } catch (error) {
        this.#breach(error instanceof Error ? error.message : String(error))
      }
    })
    void worker.exited.then((exit) => this.#died(worker, exit)).catch((error: unknown) => void this.#events.emit('error', error))
  }

  /** The worker ended by itself. Vitest 4 does not stop a worker that is dead already, so it is cleared away here. */
  async #died(worker: ConfinedWorker, { code, signal }: Exit): Promise<void> {
    if (this.#stopping !== undefined) return
    // Its last words are still on their way.
    await drained(worker.transport)
    await this.stop()
    if (this.#gate?.owesStop === true) this.#events.emit('message', STOPPED)
    else if (this.#phase === 'up') this.#events.emit('exit', code, signal)
    else this.#failStart(`the process ended with ${signal ?? `exit code ${code}`}`)
  }

  /** Vitest 4 waits for this answer for 60 s, whatever else it learns. */
  #failStart(detail: string): void {
    this.#failure = detail
    if (this.#phase !== 'starting') return
    const details = [detail, ...this.#relay.early().map(({ message }) => message)].join('\n')
    const error = new WorkerStartError('modules of execArgv, test environment', details)
    this.#events.emit('message', { __vitest_worker_response__: true, type: 'started', error })
  }

  /** In order, and each after the violations that came before it: what a message says is judged by all that led to it. */
  #take(worker: ConfinedWorker, message: unknown): void {
    if (++this.#waiting > MOST_WAITING) worker.transport.pause()
    this.#inbox = this.#inbox.then(async () => {
      await worker.settled()
      if (this.#stopping !== undefined && this.#breached) return
      const checked = await this.#gate?.incoming(message)
      if (checked === undefined) return
      if (isResponse(checked, 'started')) this.#phase = 'up'
      if (isResponse(checked, 'testfileFinished')) await this.#tellLedger(worker)
      this.#events.emit('message', await this.#relay.pass(checked))
    }).catch((error: unknown) => {
      if (error instanceof ProtocolError) this.#breach(error.message)
      else this.#events.emit('error', error)
    }).finally(() => {
      if (--this.#waiting <= MOST_WAITING) worker.transport.resume()
    })
  }

  /** What the file used is known before Vitest counts it as done. */
  async #tellLedger(worker: ConfinedWorker): Promise<void> {
    await worker.tellLedger()
    this.#ledger?.add(this.#gate?.takeLedger())
  }

  /** The worker said something that no worker says. It is ended; the run goes on. */
  #breach(detail: string): void {
    if (this.#stopping !== undefined) return
    this.#breached = true
    const stopped = this.stop()
    if (this.#phase === 'up') this.#events.emit('error', new ProtocolError(detail))
    else this.#failStart(detail)
    // Vitest 4 waits for this long after a worker is dead.
    if (this.#gate?.owesStop === true) this.#events.emit('message', STOPPED)
    stopped.catch((error: unknown) => void this.#events.emit('error', error))
  }

  send(message: WorkerRequest): void {
    if (message.type === 'start') {
      this.#phase = 'starting'
      if (this.#failure !== undefined) return this.#failStart(this.#failure)
    }
    if (message.type === 'stop') this.#limitStop()
    this.#outbox = this.#outbox.then(async () => {
      if (message.type === 'run' || message.type === 'collect') {
        const files = message.context.files.map(({ filepath }) => filepath)
        const policy = this.policy.for(this.#tmp ?? tmpdir(), files, this.#preloads)
        this.#relay.begin(files)
        this.#gate?.begin(files, policy)
        await this.#worker?.setPolicy(policy)
        if (this.#worker !== undefined) this.#ledger?.begin(files, this.#worker.pid)
      }
      this.#post(this.#gate?.outgoing(message) ?? message)
    }).catch((error: unknown) => void this.#events.emit('error', error))
  }

  /** A worker that is blocked cannot answer. Vitest says so at that time, too, but would wait for a minute. */
  #limitStop(): void {
    this.#patience = setTimeout(() => {
      this.stop().then(() => this.#events.emit('message', STOPPED)).catch((error: unknown) => void this.#events.emit('error', error))
    }, this.options.project.vitest.config.teardownTimeout)
  }

  #post(message: unknown): void {
    const transport = this.#worker?.transport
    if (transport !== undefined && !transport.destroyed && transport.writable) transport.write(frame(message))
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#patience)
    const worker = this.#worker
    if (worker !== undefined) {
      await worker.stop()
      await Promise.all([drained(worker.stdout), drained(worker.stderr)])
      await this.#inbox
      this.#ledger?.add(this.#gate?.takeLedger())
      await this.#relay.ended()
    }
    this.#removeTmp()
  }

  /** This process ends: there is no waiting any more. */
  #abandon(): void {
    this.#worker?.kill()
    this.#removeTmp()
  }

  #removeTmp(): void {
    this.#gate?.close()
    this.#cancelDuty()
    if (this.#tmp === undefined) return
    rmSync(this.#tmp, { recursive: true, force: true, maxRetries: 3 })
    this.#tmp = undefined
  }
}

function isResponse(message: unknown, type: 'started' | 'testfileFinished'): boolean {
  return message instanceof Object && '__vitest_worker_response__' in message && 'type' in message && message.type === type
}

/** As the stock pool does: each worker that prints is one listener more, and one less when it is gone. */
function show(from: ConfinedWorker['stdout'], to: NodeJS.WritableStream): void {
  to.setMaxListeners(to.getMaxListeners() + 1)
  from.once('close', () => to.setMaxListeners(to.getMaxListeners() - 1))
  from.pipe(to, { end: false })
}

function definedOnly(env: Partial<NodeJS.ProcessEnv>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** What a dead worker printed is still on its way. */
async function drained(socket: ConfinedWorker['stdout']): Promise<void> {
  if (socket.readableEnded || socket.destroyed) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, OUTPUT_MS)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

