/** Checks fetch, resolve and similar calls: the modules that a worker makes Vite load. */
import { readFileSync } from 'node:fs'
import { normalize, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { codeOf } from '../../errors.js'
import type { Refusal } from '../../policy/event.js'
import { decide } from '../../policy/policy.js'
import { bytePath } from '../../policy/request.js'
import { judgeMaps, type MapVerdict } from './check-maps.js'
import { isLeftToPlugins, isScript } from './classify.js'
import { isKernel, judgeModule, type ImportVerdict } from './import-verdict.js'
import { judgeRead } from './judge-read.js'
import { filesOf, pathOfUrl, splitId } from './module-id.js'
import { isNormalName } from './normal-form.js'
import {
  answer,
  fail,
  forbidden,
  pass,
  refuse,
  type After,
  type Check,
  type GateWorker,
  type GateOutcome,
  type Replied,
} from './outcome.js'
import { isInTrees, type ModuleContent, type GateEnvironment } from './project.js'
import { ANY_MODULE, isReadable } from './reads.js'
import { errorWithoutStack } from './replies.js'
import { readSafely } from './safe-open.js'
import { transformed, type Transformed } from './transformed.js'
import { field, fieldsOf, isFields, listOf, optionalText, textOf, textsOf } from './values.js'
import { walk } from './walk.js'

const LARGEST_MODULE = 64 * 1024 * 1024

/** fetch(url, importer, environment, options, otelCarrier) */
export const fetchModule: Check = async (args, worker) => {
  const url = textOf(args[0], "fetch's url")
  const importer = optionalText(args[1], "fetch's importer")
  const name = textOf(args[2], "fetch's environment")
  const environment = worker.environment(name)
  if (environment === undefined) return refuse(noEnvironment(name))
  const odd = oddName(url, importer)
  if (odd !== undefined) return refuse(odd)
  worker.asks(environment.reads, ANY_MODULE)
  const rest = [importer, name, optionsOf(args[3]), carrierOf(args[4])]
  const id = await environment.resolve(url, importer)
  if (id === undefined) return pass([url, ...rest])
  const own = environment.nameOf(url, id)
  return fetchJudged(
    { call: [own, ...rest], url: own, importer, environment, id, check: (result) => checkFetched(result, id, worker) },
    worker,
  )
}

/** A fetch of a known module. */
interface Fetch {
  /** The arguments that Vitest gets. */
  readonly call: readonly unknown[]
  readonly url: string
  readonly importer: string | undefined
  readonly environment: GateEnvironment
  readonly id: string
  readonly check: After
}

export async function fetchJudged(fetch: Fetch, worker: GateWorker): Promise<GateOutcome> {
  const failed = (error: unknown): unknown => told(error, fetch, worker)
  try {
    const outcome = await fetched(fetch, worker)
    return outcome.to === 'vitest' ? { ...outcome, failed } : outcome
  } catch (error) {
    throw failed(error)
  }
}

/** The error for this worker. It may quote files that another worker, with wider grants, had read for the module. */
function told(error: unknown, { environment, id }: Fetch, worker: GateWorker): unknown {
  const refused = unreadable([...environment.reads.of(id)], worker)
  return refused === undefined ? error : errorWithoutStack(`${id} cannot be made of what was read from ${refused}`)
}

async function fetched(
  { call, url, importer, environment, id, check: checkResult }: Fetch,
  worker: GateWorker,
): Promise<GateOutcome> {
  worker.asks(environment.reads, id)
  const check: After = async (result) => permitted(await checkResult(result), id, worker)
  const verdict = judgeModule(id, worker)
  switch (verdict.by) {
    case 'vite': {
      const maps = judgeMaps(id, worker)
      if (maps.is === 'fine') return pass(call, check)
      // Most packages are left to Node, and then nobody reads their maps.
      if (maps.later) return pass(call, (result) => checkMapped(result, check, maps, worker))
      if (maps.is === 'refused' || !isScript(maps.file)) return refuse(mapRefusal(maps), mapName(maps, worker))
      await environment.serve(url, importer, withoutMap(id, maps))
      return pass(call, check)
    }
    case 'worker':
      return answer({ externalize: pathToFileURL(verdict.file).href + verdict.query, type: 'module' })
    case 'runner': {
      const { file } = verdict
      return answer(await environment.plainly(url, importer, { id, file, text: textOfModule(file) }))
    }
    case 'gate': {
      await environment.serve(url, importer, {
        id,
        source: sourceOf(verdict),
        as: verdict.as,
        version: `${verdict.file}:${verdict.changedAt}`,
      })
      return pass(call, check)
    }
    case 'nobody': {
      if ('refused' in verdict) return refuse(verdict.refused)
      // A plugin may still make a module of the id. Vite itself would look for the file, which a test may have created
      // in the meantime.
      const { path, query } = splitId(id)
      const source = isLeftToPlugins(path, query) ? await environment.load(id) : undefined
      if (source === undefined) return fail(notThere(url, importer))
      await environment.serve(url, importer, { id, source, as: 'script', version: source })
      return pass(call, check)
    }
    default:
      return verdict satisfies never
  }
}

/**
 * Checks the answer for this worker. Another worker with wider grants may have had the module made, in this run or an
 * earlier one.
 */
function permitted(replied: Replied, id: string, worker: GateWorker): Replied {
  if (!('result' in replied)) return replied
  const { result, paths } = transformed(replied.result, worker.project.hide)
  const refused = unreadable(paths, worker)
  return refused === undefined ? { result } : { failed: new Error(`${id} holds what was read from ${refused}`) }
}

function unreadable(paths: readonly string[], worker: GateWorker): string | undefined {
  return paths.find((path) => path === '' || !isReadable(judgeRead(path, worker)))
}

function textOfModule(file: string): string {
  return readSafely(file, LARGEST_MODULE).toString('utf8')
}

function sourceOf({ file, as }: Extract<ImportVerdict, { readonly by: 'gate' }>): string {
  if (as === 'style') return ''
  const text = textOfModule(file)
  return as === 'raw' ? `export default ${JSON.stringify(text)}` : text
}

/**
 * The module without its source map: if the gate provides the content, Vite does not look for a map beside the file.
 */
function withoutMap(
  id: string,
  { file, changedAt }: { readonly file: string; readonly changedAt: number },
): ModuleContent {
  const source = readFileSync(file, 'utf8')
  return { id, source, as: 'script', version: `${file}:${changedAt}` }
}

function checkMapped(result: unknown, check: After, maps: BadMaps, worker: GateWorker): Replied | Promise<Replied> {
  const isExternal = isFields(result) && field(result, 'externalize') !== undefined
  return isExternal ? check(result) : { refused: mapRefusal(maps), as: mapName(maps, worker) }
}

type BadMaps = Exclude<MapVerdict, { readonly is: 'fine' }>

function mapRefusal(maps: BadMaps): Refusal {
  if (maps.is === 'refused') return maps.refused
  const file = JSON.stringify(maps.file)
  return forbidden(`the source map of ${file} names files that tests may write, or does so in a way that no tool has`)
}

function mapName({ file }: BadMaps, { project }: GateWorker): string {
  return `source map of ${relative(project.root, file)}`
}

/**
 * Checks that Vite, which resolves the name once more, found the same module: something may have been moved in the
 * meantime.
 */
function checkFetched(result: unknown, id: string, worker: GateWorker): Replied {
  const fetched = isFields(result) ? field(result, 'id') : id
  if (fetched === undefined || fetched === id) return { result }
  const verdict = judgeModule(textOf(fetched, "a module's id"), worker)
  if (verdict.by === 'vite') return { result }
  return { refused: 'refused' in verdict ? verdict.refused : changed(id) }
}

export function changed(id: string): Refusal {
  return forbidden(`${JSON.stringify(id)} became another file while Vitest loaded it`)
}

/** resolve(id, importer, environment). For a test, files outside its grants do not exist. */
export const resolveModule: Check = (args, worker) => {
  const call = [
    textOf(args[0], "resolve's id"),
    optionalText(args[1], "resolve's importer"),
    textOf(args[2], "resolve's environment"),
  ]
  const environment = worker.environment(String(call[2]))
  if (environment === undefined) return refuse(noEnvironment(String(call[2])))
  worker.asks(environment.reads, ANY_MODULE)
  const odd = oddName(call[0], call[1])
  if (odd !== undefined) return refuse(odd)
  return pass(call, (result) => {
    const id = isFields(result) ? field(result, 'id') : undefined
    return { result: typeof id === 'string' && !isVisible(id, worker) ? null : result }
  })
}

function isVisible(id: string, worker: GateWorker): boolean {
  const { project, policy } = worker
  return filesOf(id, process.cwd()).every((path) => {
    const walked = walk(path)
    if (walked.kind === 'missing') return true
    if (isKernel(walked, path)) return false
    const verdict = decide(policy, { kind: 'path', access: 'look', path: bytePath(walked.real) })
    return verdict.allowed || project.configured.has(walked.real) || isInTrees(walked.real, project)
  })
}

/**
 * fetchWarmModules(environment, files): modules that Vite transformed for other workers, which may have wider grants.
 */
export const fetchWarmModules: Check = (args, worker) => {
  const name = textOf(args[0], "fetchWarmModules' environment")
  const environment = worker.environment(name)
  if (environment === undefined) return refuse(noEnvironment(name))
  const files = textsOf(args[1], "fetchWarmModules' files").filter((file) => worker.files.has(file))
  return pass([name, files], (result) => ({ result: importable(result, worker) }))
}

function importable(warm: unknown, worker: GateWorker): unknown {
  if (!isFields(warm)) return warm
  // Each entry occurs under its URL and its id. A message contains it once, if both are the same object.
  const read = new Map<unknown, Transformed>()
  return Object.fromEntries(
    Object.entries(warm).flatMap(([url, entry]) => {
      const id = isFields(entry) ? field(entry, 'id') : undefined
      // An entry without an id is the address of a module that the worker imports by itself.
      if (typeof id !== 'string') return url.includes('?') ? [] : [[url, entry]]
      if (judgeModule(id, worker).by !== 'vite' || judgeMaps(id, worker).is !== 'fine') return []
      const known = read.get(entry) ?? textIfThere(entry, worker)
      // A module with files that needed a grant is left out. It is fetched separately, and judged then.
      if (known === undefined || known.paths.length > 0) return []
      read.set(entry, known)
      return [[url, known.result]]
    }),
  )
}

/** The text of an entry; undefined if its file has left the cache. The module is then fetched separately. */
function textIfThere(entry: unknown, { project }: GateWorker): Transformed | undefined {
  try {
    return transformed(entry, project.hide)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** prewarmModuleGraph(environment, files): a head start for the vm pools only. Nothing waits for the answer. */
export const prewarm: Check = () => answer(undefined)

/** Refuses transform(id) and other calls that no worker of this pool needs. */
export function unused(what: string): Check {
  return () => refuse(forbidden(what))
}

/** ensureModuleGraphEntry(id, importer): allows Vitest to print lines of these files beneath an error. */
export const noteModule: Check = (args, worker) => {
  const call = [textOf(args[0], "ensureModuleGraphEntry's id"), textOf(args[1], "ensureModuleGraphEntry's importer")]
  if (worker.project.viteModuleRunner)
    return refuse(forbidden('it is only for runs without Vite (experimental.viteModuleRunner: false)'))
  const odd = oddName(...call)
  if (odd !== undefined) return refuse(odd)
  const paths = call.map((id) => (id.startsWith('file:') ? (pathOfUrl(id) ?? '') : id))
  const refused = paths.map((id) => judgeModule(id, worker)).find(({ by }) => by !== 'vite')
  // No violation: the broker allowed Node to load the module; its lines are just not printed.
  return refused === undefined ? pass(call) : answer(undefined)
}

/**
 * onTestModuleDependencies(file, modules): the files that a later run associates with this test file. It looks at each,
 * which may reach a file server.
 */
export const noteDependencies: Check = (args, worker) => {
  const file = textOf(args[0], "onTestModuleDependencies' file")
  const modules = listOf(args[1], "onTestModuleDependencies' modules").map((id) => textOf(id, 'a dependency'))
  return worker.files.has(file)
    ? pass([file, [file, ...modules.filter((id) => isKnownPlace(splitId(id).path, worker))]])
    : refuse(forbidden(`${JSON.stringify(file)} is not a test file of this worker`))
}

/** An absolute path for pathe, by which Vitest resolves names. */
const ABSOLUTE = /^(?:[/\\]|[a-z]:[/\\])/i

/**
 * True for a path where a module of the worker's may be, as it is spelled (nothing is looked at), and for a plugin's own
 * module.
 */
function isKnownPlace(path: string, { project, policy }: GateWorker): boolean {
  if (!ABSOLUTE.test(path)) return true
  if (!path.startsWith('/') || path.includes('\\') || normalize(path) !== path) return false
  if (isInTrees(path, project) || project.configured.has(path)) return true
  return decide(policy, { kind: 'path', access: 'look', path: bytePath(path) }).allowed
}

/** The refusal of a name that different readers may understand differently. */
export function oddName(...names: readonly (string | undefined)[]): Refusal | undefined {
  const odd = names.find((name) => name !== undefined && !isNormalName(name))
  return odd === undefined ? undefined : forbidden(`${JSON.stringify(odd.slice(0, 500))} is no plain name of a module`)
}

export function noEnvironment(name: string): Refusal {
  return forbidden(`the tests of this worker run in no Vite environment ${JSON.stringify(name.slice(0, 100))}`)
}

/** Vite's own error for a missing module: src/node/server/transformRequest.ts. */
export function notThere(url: string, importer: string | undefined): Error {
  const from = importer === undefined ? '' : ` in ${importer}`
  return Object.assign(new Error(`Failed to load url ${url}${from}. Does the file exist?`), { code: 'ERR_LOAD_URL' })
}

function optionsOf(value: unknown): { readonly cached?: boolean } | undefined {
  if (value === undefined || value === null) return undefined
  const cached = field(fieldsOf(value, "fetch's options"), 'cached')
  return cached === undefined ? {} : { cached: cached === true }
}

/** The names and values of trace headers. */
function carrierOf(value: unknown): { readonly [key: string]: string } | undefined {
  if (value === undefined || value === null) return undefined
  const entries = Object.entries(fieldsOf(value, "fetch's otelCarrier")).map(
    ([key, text]) => [key, textOf(text, 'a trace header')] as const,
  )
  return Object.fromEntries(entries)
}
