/** Runs one module in a confined process, without Vitest, or in a plain one. */
import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Host } from '../../src/broker/host.js'
import { programsOf } from '../../src/broker/programs.js'
import { STAGE_MS } from '../../src/limits.js'
import { baseGrants } from '../../src/policy/base.js'
import { bindOptions } from '../../src/policy/bind.js'
import type { AccessEvent } from '../../src/policy/event.js'
import type { Manifest, Unsafe } from '../../src/policy/manifest.js'
import type { PolicyData } from '../../src/policy/policy.js'
import { parseOptions } from '../../src/policy/schema.js'
import { lookup } from '../../src/project/lookup.js'
import { SLOW } from '../slow.js'

export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const fixture = (path: string): string => join(repository, 'fixtures/targets', path)
const built = join(repository, 'dist')

const MINUTE = 60_000 * SLOW

/** The host as built: its threads are files of dist/. */
export async function builtHost(): Promise<Host> {
  // dist/ is what tsc made of src/, so it has the same types.
  const { theHost } = (await import(pathToFileURL(join(built, 'broker/host.js')).href)) as { theHost: () => Host }
  return theHost()
}

type HostOptions = NonNullable<ConstructorParameters<typeof Host>[0]>
type Support = NonNullable<HostOptions['support']>
const hosts = new Map<string, Host>()

/** One that takes this kernel for one that can do no more than that. */
async function hostWith(support: Support): Promise<Host> {
  const key = JSON.stringify(support)
  const known = hosts.get(key)
  if (known !== undefined) return known
  const module = (await import(pathToFileURL(join(built, 'broker/host.js')).href)) as {
    Host: new (options: HostOptions) => Host
  }
  const made = new module.Host({ support })
  hosts.set(key, made)
  return made
}

export interface ConfinedRun {
  readonly manifest: Manifest
  /** A file with an exported `main(...args)`, whose result is JSON. */
  readonly module: string
  readonly args: readonly unknown[]
  readonly root: string
  readonly mode?: 'enforce' | 'audit'
  readonly timeout?: number
  /** When the worker has printed this line, its broker goes away; then it is told so by a byte on its transport. */
  readonly loseBrokerAt?: string
  readonly support?: Support
  readonly unsafe?: readonly Unsafe[]
}

export interface ConfinedResult {
  readonly result: unknown
  readonly incidents: readonly AccessEvent[]
  readonly faults: readonly string[]
  readonly stderr: string
  readonly exit: { readonly code: number | null; readonly signal: string | null }
}

const searchPath = (process.env.PATH ?? '').split(':').filter((dir) => dir.startsWith('/'))

export function policyFor(manifest: Manifest, root: string, mode: 'enforce' | 'audit' = 'enforce'): PolicyData {
  const bound = bindOptions(parseOptions({ manifest }), {
    root,
    workspace: root,
    home: '/root',
    tmp: root,
    file: root,
    lookup,
    searchPath,
  })
  const { implied, interpreters } = programsOf(bound.lists, searchPath, bound.denied)
  return {
    mode,
    sockets: bound.sockets,
    interpreters,
    lists: [
      ...baseGrants({
        lookup,
        nodeExec: process.execPath,
        nodeModules: [join(repository, 'node_modules')],
        searchPath,
        home: '/root',
        packageDir: built,
        runtimeDirs: [join(repository, 'fixtures/targets')],
      }),
      ...bound.lists,
      implied,
    ],
  }
}

export async function runConfined({
  manifest,
  module,
  args,
  root,
  mode = 'enforce',
  timeout = MINUTE,
  loseBrokerAt,
  support,
  unsafe = [],
}: ConfinedRun): Promise<ConfinedResult> {
  const host = support === undefined ? await builtHost() : await hostWith(support)
  const policy = policyFor(manifest, root, mode)
  const { executable } = programsOf(policy.lists, searchPath, policy.denied)
  const incidents: AccessEvent[] = []
  const faults: string[] = []
  const worker = await host.start({
    execArgv: [],
    policy,
    denied: 'eacces',
    stageTimeout: STAGE_MS,
    executable,
    unsafe,
    env: {
      ...definedOnly(process.env),
      HARNESS_MODULE: pathToFileURL(module).href,
      HARNESS_ARGS: JSON.stringify(args),
      VITEST_SECCOMP_WORKER: `harness-${process.pid}-${Math.random()}`,
    },
    setup: {
      runtime: pathToFileURL(fixture('harness/run-module.mjs')).href,
      runner: 'node:path',
      preload: [],
      landlock: [
        { path: fixture('harness'), right: 'read' },
        ...executable.map((path) => ({ path, right: 'execute' as const })),
      ],
    },
    onIncident: (incident) => void incidents.push(incident),
    onFault: (detail) => void faults.push(detail),
  })
  let stdout = ''
  let stderr = ''
  worker.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (loseBrokerAt === undefined || stdout !== `${loseBrokerAt}\n`) return
    stdout = ''
    // Only a test takes a worker's broker away, so the public type does not offer it.
    ;(worker as unknown as { control: { detach(): void } }).control.detach()
    // Answered after the command before it was obeyed.
    void worker.setPolicy(policy).then(() => worker.transport.write('x'))
  })
  worker.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text))
  // The host leaves stderr paused, for whoever takes it over.
  worker.stderr.resume()
  const ended = Promise.all(
    [worker.stdout, worker.stderr].map((stream) => new Promise((resolve) => void stream.once('close', resolve))),
  )
  const timer = setTimeout(() => void worker.stop(), timeout)
  const exit = await worker.exited
  clearTimeout(timer)
  await worker.settled()
  await worker.stop()
  await ended
  return { result: stdout === '' ? undefined : JSON.parse(stdout), incidents, faults, stderr, exit }
}

export async function runPlain(module: string, args: readonly unknown[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [fixture('harness/plain.mjs'), pathToFileURL(module).href, JSON.stringify(args)],
    {
      maxBuffer: 1 << 28,
      timeout: MINUTE,
    },
  )
  return JSON.parse(stdout)
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
