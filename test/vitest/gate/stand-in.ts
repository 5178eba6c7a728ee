/** A project, a policy and a worker for the checks: the ports of src/vitest/gate, in memory over a real directory. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Refusal } from '../../../src/policy/event.js'
import { compilePolicy, Exclusions, type PathRule, type RuleList } from '../../../src/policy/policy.js'
import { bytePath } from '../../../src/policy/request.js'
import type { GateWorker, GateOutcome, Replied } from '../../../src/vitest/gate/outcome.js'
import type { GateEnvironment, GateProject } from '../../../src/vitest/gate/project.js'
import { ModuleReads } from '../../../src/vitest/gate/reads.js'
import { Writes } from '../../../src/vitest/gate/writes.js'

export interface Scratch extends Disposable {
  readonly root: string
  at(path: string): string
  write(path: string, text?: string): string
}

export function scratch(): Scratch {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'gate-')))
  const at = (path: string): string => join(root, path)
  return {
    root,
    at,
    write(path, text = '') {
      mkdirSync(dirname(at(path)), { recursive: true })
      writeFileSync(at(path), text)
      return at(path)
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

/** `read` and `write` as in a manifest: a slash at the end is a tree, `!` an exclusion. */
export interface Setting {
  readonly read?: readonly string[]
  readonly write?: readonly string[]
  readonly base?: readonly string[]
  readonly files?: readonly string[]
  readonly mode?: 'enforce' | 'audit'
  readonly project?: Partial<GateProject>
}

export interface StandIn extends GateWorker {
  readonly noted: Refusal[]
  readonly served: string[]
  readonly lists: readonly RuleList[]
}

export function worker(root: string, setting: Setting = {}): StandIn {
  const { read = [], write = [], base = [], mode = 'enforce' } = setting
  const own = [rules(root, 'read', read), rules(root, 'write', write)]
  // In front, as in a project's own policy.
  const lists = [rules(root, 'read', base).map((rule) => ({ ...rule, reason: 'always' })), ...own]
  const writes = new Writes(join(root, 'tmp/worker-'))
  writes.add({ lists })
  const excluded = new Exclusions()
  excluded.add({ lists })
  const files = new Set((setting.files ?? ['test/own.test.ts']).map((file) => join(root, file)))
  const [noted, served]: [Refusal[], string[]] = [[], []]
  const environment: GateEnvironment = {
    name: 'ssr',
    reads: new ModuleReads(),
    resolve: (url) => Promise.resolve(url.startsWith('data:') ? undefined : url),
    nameOf: (url) => url,
    load: () => Promise.resolve(undefined),
    plainly: (_url, _importer, { text }) => Promise.resolve({ code: text }),
    serve: (_url, _importer, { source }) => Promise.resolve(void served.push(source)),
  }
  const project: GateProject = {
    name: 'p',
    pool: 'forks',
    root,
    trees: [root],
    configured: new Set(),
    publicDir: '',
    extensions: [],
    attachmentsDir: join(root, '.attachments'),
    depsCache: '',
    besides: new Set(),
    hide: (code) => code,
    coverageDir: undefined,
    viteModuleRunner: true,
    bail: 0,
    environment: (name) => (name === 'ssr' ? environment : undefined),
    compilesStyle: () => false,
    failedTests: () => 0,
    hasFailed: () => false,
    isThrough: () => true,
    fileOf: (id) =>
      id.startsWith('own')
        ? join(root, 'test/own.test.ts')
        : id.startsWith('other')
          ? join(root, 'test/other.test.ts')
          : undefined,
    idOf: (file) => (file.endsWith('own.test.ts') ? 'own' : 'other'),
    takeId: () => undefined,
    ...setting.project,
  }
  return {
    project,
    environment: (name) => project.environment(name),
    writes,
    files,
    everRan: files,
    noted,
    served,
    used: () => undefined,
    asks: () => undefined,
    note: (refused) => void noted.push(refused),
    policy: compilePolicy({ mode, lists, sockets: [] }),
    manifest: compilePolicy({ mode, lists: own, sockets: [] }),
    excluded,
    lists,
  }
}

function rules(root: string, access: 'read' | 'write', entries: readonly string[]): PathRule[] {
  return entries.map((source) => ({
    effect: source.startsWith('!') ? 'exclude' : 'grant',
    access,
    source,
    at: `manifest.${access}`,
    aliases: [],
    shape: source.endsWith('/') ? 'tree' : 'file',
    root: bytePath(join(root, source.replace('!', '')).replace(/\/$/, '')),
  }))
}

/** What was refused, in one word or line: the path that needs a grant, or why nothing helps. */
export function refusal(outcome: GateOutcome | Replied | Refusal): string | undefined {
  if ('outcome' in outcome)
    return outcome.outcome === 'forbidden'
      ? outcome.why
      : outcome.request.kind === 'path'
        ? `${outcome.request.access} ${outcome.request.path}`
        : undefined
  if ('to' in outcome) return outcome.to === 'worker' ? refusal(outcome.reply) : undefined
  return 'refused' in outcome ? refusal(outcome.refused) : undefined
}

/** The arguments with which Vitest is called; undefined where it is not. */
export function passed(outcome: GateOutcome): readonly unknown[] | undefined {
  return outcome.to === 'vitest' ? outcome.args : undefined
}

export function answered(outcome: GateOutcome): unknown {
  return outcome.to === 'worker' && 'result' in outcome.reply ? outcome.reply.result : undefined
}
