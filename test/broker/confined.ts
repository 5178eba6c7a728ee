/** A confined worker for tests: a runtime of our own, answered line by line, with whatever policy the test needs. */
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { pathToFileURL, fileURLToPath } from 'node:url'
import type { DescriptorSummary } from '../../src/broker/descriptors.js'
import type { ConfinedWorker, Exit, Host, StartOptions } from '../../src/broker/host.js'
import type { LedgerLine } from '../../src/broker/ledger.js'
import { STAGE_MS } from '../../src/limits.js'
import type { AccessEvent } from '../../src/policy/event.js'
import type { PolicyData } from '../../src/policy/policy.js'
import { SLOW } from '../slow.js'

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
export const DIST = fromRoot('dist')

/** Why these tests cannot run here; undefined where they can. */
export const missing: string | undefined =
  process.platform === 'linux' ? undefined : 'skipped where the system is not Linux'

/** The built host: the threads it starts are bundles that lie beside it. Typed by its source. */
export async function host(dist = DIST): Promise<Host> {
  const module = (await import(pathToFileURL(`${dist}/broker/host.js`).href)) as { theHost: () => Host }
  return module.theHost()
}

/** For workers that have something together. */
export async function shared(): Promise<{ readonly key: string; close(): void }> {
  const key = `shared-${++count}`
  const it = await host()
  return { key, close: () => it.closeShared(key) }
}

export interface Answer {
  readonly value?: unknown
  readonly error?: string
}

/** One request after the other over a stream of lines. */
export class Lines {
  readonly #waiting: ((line: string | undefined) => void)[] = []
  #isOver = false

  constructor(readonly socket: Socket) {
    const lines = createInterface({ input: socket })
    lines.on('line', (line) => this.#waiting.shift()?.(line))
    // A worker that dies resets its sockets; then the lines end as well.
    lines.on('error', () => lines.close())
    lines.on('close', () => {
      this.#isOver = true
      for (const done of this.#waiting.splice(0)) done(undefined)
    })
  }

  /** Undefined where the other end is gone. */
  async ask(operation: string, ...args: readonly unknown[]): Promise<Answer | undefined> {
    if (this.#isOver || !this.socket.writable) return undefined
    const line = await new Promise<string | undefined>((resolve) => {
      this.#waiting.push(resolve)
      this.socket.write(`${JSON.stringify({ operation, args })}\n`)
    })
    // What serve() of fixtures/targets/model/lines.mjs writes.
    return line === undefined ? undefined : (JSON.parse(line) as Answer)
  }

  async value(operation: string, ...args: readonly unknown[]): Promise<unknown> {
    const answer = await this.ask(operation, ...args)
    if (answer === undefined) throw new Error(`${operation}: the worker is gone`)
    return answer.error ?? answer.value
  }
}

export interface Confined extends Lines {
  readonly worker: ConfinedWorker
  readonly incidents: readonly AccessEvent[]
  readonly faults: readonly string[]
  /** Empty without `ledger`. */
  readonly accesses: readonly LedgerLine[]
  readonly held: readonly DescriptorSummary[]
}

export interface ConfinedOptions {
  /** Below fixtures/targets/. */
  readonly runtime: string
  readonly policy: PolicyData
  readonly env?: Readonly<Record<string, string>>
  readonly denied?: StartOptions['denied']
  readonly shared?: { readonly key: string }
  readonly ledger?: boolean
  readonly selfCheck?: StartOptions['setup']['selfCheck']
  readonly modules?: StartOptions['modules']
  readonly lane?: StartOptions['lane']
  /** Where the broker was built. */
  readonly dist?: string
}

/** Read by libc when it likes, before it shrinks an arena (malloc/arena.c, shrink_heap): no test is about that. */
const BY_LIBC = '/proc/sys/vm/overcommit_memory'

function isByLibc(told: AccessEvent | LedgerLine): boolean {
  return 'request' in told && told.request.kind === 'path' && told.request.path === BY_LIBC
}

export async function confine({
  runtime,
  policy,
  env = {},
  denied = 'eacces',
  ledger = false,
  shared,
  selfCheck,
  modules,
  lane,
  dist,
}: ConfinedOptions): Promise<Confined> {
  const incidents: AccessEvent[] = []
  const faults: string[] = []
  const accesses: LedgerLine[] = []
  const held: DescriptorSummary[] = []
  const worker = await (
    await host(dist)
  ).start({
    execArgv: [],
    env: { ...env, VITEST_SECCOMP_WORKER: `test-${process.pid}-${++count}` },
    policy,
    denied,
    stageTimeout: STAGE_MS,
    setup: {
      landlock: [
        { path: fromRoot('.'), right: 'read' },
        { path: '/usr', right: 'read' },
      ],
      runner: 'node:path',
      preload: [],
      runtime: pathToFileURL(fromRoot(`fixtures/targets/${runtime}`)).href,
      ...(selfCheck === undefined ? {} : { selfCheck }),
    },
    ...(shared === undefined ? {} : { shared: shared.key }),
    ...(modules === undefined ? {} : { modules }),
    ...(lane === undefined ? {} : { lane }),
    onIncident: (incident) => void (isByLibc(incident) || incidents.push(incident)),
    onFault: (detail) => void faults.push(detail),
    ...(ledger
      ? {
          onLedger: (batch) => {
            accesses.push(...batch.accesses.filter((access) => !isByLibc(access)))
            if (batch.held !== undefined) held.push(batch.held)
          },
        }
      : {}),
  })
  worker.stdout.resume()
  worker.stderr.pipe(process.stderr, { end: false })
  return Object.assign(new Lines(worker.transport), { worker, incidents, faults, accesses, held })
}

let count = 0

/** Milliseconds. For what hangs: a busy machine takes several times as long as an idle one. */
export const SOON = 60_000

/** What `stop` gives, or an error after the time is over: nothing here may hang. */
export async function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const limit = milliseconds * SLOW
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limit} ms`)), limit)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export type { Exit }
