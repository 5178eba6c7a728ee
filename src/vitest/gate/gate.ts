/**
 * The gate between one worker and Vitest. It parses and checks every message of the worker. It answers itself the calls
 * that the worker may not make; Vitest gets only messages that passed.
 */
import { Incidents } from '../../broker/incidents.js'
import { Ledger, type Batch } from '../../broker/ledger.js'
import { ProtocolError } from '../../errors.js'
import { eventOf, type AccessEvent, type Refusal } from '../../policy/event.js'
import { compilePolicy, Exclusions, type Policy, type PolicyData } from '../../policy/policy.js'
import type { Mark } from '../../protocol.js'
import { environmentIn, needs, type EnvironmentKind } from './environments.js'
import { cleanError } from './errors-told.js'
import { FrameFiles } from './frame-files.js'
import { withoutFrames } from './frames.js'
import { judgeRead, judgeVitestRead } from './judge-read.js'
import { parseMessage, type RpcAnswer, type RpcCall, type WorkerResponse, type ResponseType } from './message.js'
import { methodOf, type RpcMethods, type Tools } from './methods.js'
import type { After, Check, Failed, GateWorker, GateOutcome, Replied } from './outcome.js'
import { forbidden } from './outcome.js'
import { PrivateCopies } from './private-copies.js'
import type { GateProject } from './project.js'
import { judged, type ModuleReads, type ReadVerdict } from './reads.js'
import { sendable, errorWithoutStack, withoutQuotes } from './replies.js'
import { CAPS, checkSize } from './size.js'
import { Stage } from './stage.js'
import type { Writes } from './writes.js'

/** The most calls without an answer. A worker waits for its calls, but a file may fetch many modules at once. */
const MOST_IN_FLIGHT = 20_000

/**
 * The methods whose reports about a file are final once the worker has finished it, because violations are counted
 * then.
 */
const RESULTS: ReadonlySet<string> = new Set(['onQueued', 'onCollected', 'onTaskUpdate'])

interface GateHost {
  readonly project: GateProject
  /** The methods of the running Vitest. */
  readonly methods: RpcMethods
  readonly writes: Writes
  /** True if every access is kept, for the ledger. */
  readonly keepsLedger: boolean
  /** Sends a message to the worker. */
  reply(message: object): void
  /** The text of a refusal for the worker: the same that the reporter shows. */
  describe(event: AccessEvent): string
  record(event: AccessEvent): void
  /** The test that is running now, if it is known. */
  running(): Promise<Mark | undefined>
  /** Fails the run, whatever Vitest counts. */
  failRun(): void
  /** Keeps a copy that Vitest reads at the end of the run. */
  keep(copy: string): void
}

export class Gate {
  readonly #stage = new Stage()
  readonly #frames = new FrameFiles()
  readonly #copies = new PrivateCopies()
  readonly #checks: ReadonlyMap<string, Check>
  readonly #incidents: Incidents
  readonly #ledger: Ledger | undefined
  /** Calls that Vitest has not answered yet, by id. */
  readonly #inFlight = new Map<string, { readonly after?: After; readonly failed?: Failed }>()
  readonly #everRan = new Set<string>()
  #files: ReadonlySet<string> = new Set()
  #running = ''
  #test: Mark | undefined
  #policies: WorkerPolicies
  readonly #asked = new Set<ModuleReads>()
  readonly #judge = (path: string): ReadVerdict => judgeRead(path, this.#worker())
  #environments: ReadonlySet<EnvironmentKind> = new Set()

  constructor(
    readonly host: GateHost,
    policy: PolicyData,
  ) {
    this.#policies = new WorkerPolicies(policy)
    host.writes.add(policy)
    const tools: Tools = { frames: this.#frames, copies: this.#copies, keep: (copy) => host.keep(copy) }
    this.#checks = new Map(Object.entries(host.methods).map(([name, { check }]) => [name, check(tools)]))
    this.#incidents = new Incidents(
      (incident) => host.record(incident),
      () => this.#label(),
    )
    this.#ledger = host.keepsLedger ? new Ledger(() => this.#label()) : undefined
  }

  /** Notes that the worker is about to run these files, under this policy. */
  begin(files: readonly string[], policy: PolicyData): void {
    this.#policies = new WorkerPolicies(policy)
    this.host.writes.add(policy)
    this.#files = new Set(files)
    for (const file of files) this.#everRan.add(file)
    this.#running = files[0] ?? ''
    this.#incidents.reset()
  }

  /** The stack without frames that would make Vitest open a file that this worker may not read. */
  cleanStack(stack: string): string {
    return withoutFrames(stack, (file) => this.#frames.permits(file, this.#worker()))
  }

  /** The accesses through Vitest since the last call. */
  takeLedger(): Batch | undefined {
    return this.#ledger?.take()
  }

  /**
   * Hands a checked message to Vitest. While Vitest handles it, a file that a test has put somewhere cannot redirect
   * its reads.
   */
  handOver(pass: () => void): void {
    judged((path) => judgeVitestRead(path, this.host.project, this.host.writes), pass)
  }

  /** True if Vitest waits for this response of the worker. */
  owes(response: ResponseType): boolean {
    return this.#stage.isDue(response)
  }

  /** Ends the gate, because the worker is gone. */
  close(): void {
    for (const reads of this.#asked) reads.leave(this.#judge)
    this.#inFlight.clear()
  }

  /** Checks a message of Vitest on its way to the worker. */
  async outgoing(message: unknown): Promise<unknown> {
    const said = this.#stage.outgoing(message)
    const environment = environmentIn(message)
    if (environment !== undefined) this.#environments = new Set([...this.#environments, environment])
    if (said.kind !== 'answer') return message
    const { after, failed } = this.#inFlight.get(said.id) ?? {}
    this.#inFlight.delete(said.id)
    if (said.failed) {
      const error = withoutQuotes(Reflect.get(Object(message), 'e'))
      return { ...Object(message), e: failed === undefined ? error : failed(error) }
    }
    if (after === undefined) return message
    return this.#replyTo('fetch', said.id, await this.#afterwards(after, said.result))
  }

  async #afterwards(after: After, result: unknown): Promise<Replied> {
    try {
      return await after(result)
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      // A file vanished.
      return { failed: error }
    }
  }

  /**
   * Checks a message of the worker. Returns the message for Vitest; undefined if Vitest gets none. Throws a
   * ProtocolError to end the worker.
   */
  async incoming(message: unknown): Promise<object | undefined> {
    try {
      return await this.#parsed(parseMessage(message))
    } catch (error) {
      // Vitest may be configured to ignore the error that the end of this worker causes.
      if (error instanceof ProtocolError) this.host.failRun()
      throw error
    }
  }

  async #parsed(parsed: ReturnType<typeof parseMessage>): Promise<object | undefined> {
    switch (parsed.kind) {
      case 'response':
        return this.#response(parsed)
      case 'answer':
        return this.#answer(parsed)
      case 'call':
        return this.#call(parsed)
      default:
        return parsed satisfies never
    }
  }

  #response({ type, error, usedMemory }: WorkerResponse): object {
    this.#stage.response(type)
    checkSize('a response', [error], CAPS.large)
    if (type === 'testfileFinished' && this.#stage.runs) this.#checkThrough(error !== undefined)
    const cleaned =
      error === undefined ? {} : { error: cleanError(error, (file) => this.#frames.permits(file, this.#worker())) }
    return { __vitest_worker_response__: true, type, ...cleaned, ...(usedMemory === undefined ? {} : { usedMemory }) }
  }

  /** Ends the worker if a file has no final result, because Vitest 4 ignores a file that never reported one. */
  #checkThrough(hasFailed: boolean): void {
    const open = [...this.#files].find((file) => !this.host.project.isThrough(file))
    if (open === undefined) return
    // Vitest reports the error. The run fails even if Vitest is configured to ignore such errors.
    if (hasFailed) return this.host.failRun()
    throw new ProtocolError(`the tests of ${open} are not through, although the worker says so`)
  }

  #answer({ id, message }: RpcAnswer): object {
    this.#stage.answered(id)
    return message
  }

  async #call({ method, args, id }: RpcCall): Promise<object | undefined> {
    const row = methodOf(method, this.host.methods)
    const check = this.#checks.get(method)
    if (row === undefined || check === undefined)
      return this.#reply(method, id, { refused: forbidden('Vitest has no such method, or this pool does not know it') })
    checkSize(`a call of ${method}`, args, row.cap)
    if (id !== undefined && this.#inFlight.has(id))
      throw new ProtocolError(`a call of ${method} with the id of another that is not answered yet`)
    if (this.#inFlight.size >= MOST_IN_FLIGHT)
      throw new ProtocolError(`more than ${MOST_IN_FLIGHT} calls that wait for an answer`)
    if (RESULTS.has(method) && !this.#stage.isDue('testfileFinished'))
      return this.#reply(method, id, { result: undefined })
    if (method === 'onQueued') this.#note(args[0])
    const outcome = await this.#checked(check, args)
    if (outcome.to === 'worker') {
      // Asked before the worker gets its answer, because it may go on to another test then.
      if ('refused' in outcome.reply) this.#test = await this.host.running()
      this.#reply(method, id, outcome.reply)
      this.#test = undefined
      return undefined
    }
    if (id !== undefined) this.#inFlight.set(id, outcome)
    return { t: 'q', m: method, a: outcome.args, ...(id === undefined ? {} : { i: id }) }
  }

  async #checked(check: Check, args: readonly unknown[]): Promise<GateOutcome> {
    try {
      return await check(args, this.#worker())
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      // A plugin that fails to resolve, or a file that vanished: the error that Vitest would answer with. Vitest does
      // not get the call.
      return { to: 'worker', reply: { failed: error } }
    }
  }

  #reply(method: string, id: string | undefined, replied: Replied): undefined {
    const message = this.#replyTo(method, id, replied)
    if (id !== undefined) this.host.reply(message)
  }

  #replyTo(method: string, id: string | undefined, replied: Replied): object {
    if ('result' in replied) return { t: 's', i: id, r: replied.result }
    if ('failed' in replied) return { t: 's', i: id, e: sendable(replied.failed) }
    return { t: 's', i: id, e: errorWithoutStack(this.#refuse(method, replied.refused, replied.as)) }
  }

  #refuse(method: string, refused: Refusal, as?: string): string {
    const call = as ?? (method === 'fetch' ? 'import' : method)
    const named = { name: call, operation: 'rpc' } as const
    this.#incidents.add(named, refused)
    this.#ledger?.add(named, refused)
    return this.host.describe(eventOf(named, refused, this.#label()))
  }

  #worker(): GateWorker {
    const { project } = this.host
    const policies = this.#policies
    return {
      project,
      environment: (name) =>
        project.besides.has(name) || needs(this.#environments, name) ? project.environment(name) : undefined,
      get policy() {
        return policies.whole
      },
      get manifest() {
        return policies.manifest
      },
      get excluded() {
        return policies.excluded
      },
      writes: this.host.writes,
      files: this.#files,
      everRan: this.#everRan,
      asks: (reads, id) => {
        reads.ask(id, this.#judge)
        this.#asked.add(reads)
      },
      note: (refused) => void this.#refuse('import', refused),
      used: (used) => this.#ledger?.add({ name: 'import', operation: 'rpc' }, used),
    }
  }

  /** Notes the running file. Files run one after the other, so the last one queued is running. */
  #note(file: unknown): void {
    const path = file instanceof Object && 'filepath' in file ? file.filepath : undefined
    if (typeof path === 'string' && this.#files.has(path)) this.#running = path
  }

  #label(): Mark | undefined {
    if (this.#running === '') return undefined
    return this.#test?.file === this.#running
      ? this.#test
      : { file: this.#running, id: '', test: '', concurrent: false }
  }
}

/**
 * The policy of a worker, compiled when it is first needed: a worker is born with one policy, gets another with its test
 * file, and may ask for nothing that a policy decides.
 */
class WorkerPolicies {
  readonly #data: PolicyData
  #whole: Policy | undefined
  #manifest: Policy | undefined
  #excluded: Exclusions | undefined

  constructor(data: PolicyData) {
    this.#data = data
  }

  get whole(): Policy {
    this.#whole ??= compilePolicy(this.#data)
    return this.#whole
  }

  /** The grants of the manifest alone, without the base grants. */
  get manifest(): Policy {
    this.#manifest ??= compilePolicy(withoutBase(this.#data))
    return this.#manifest
  }

  get excluded(): Exclusions {
    if (this.#excluded === undefined) {
      this.#excluded = new Exclusions()
      this.#excluded.add(this.#data)
    }
    return this.#excluded
  }
}

function withoutBase(policy: PolicyData): PolicyData {
  return { ...policy, lists: policy.lists.map((list) => list.filter(({ reason }) => reason === undefined)) }
}
