/** Decides if a module may be imported, and who loads it. */
import { extname, relative } from 'node:path'
import { isWithin } from '../../policy/canonical.js'
import { allowed, type Refusal } from '../../policy/event.js'
import { decide, quietly } from '../../policy/policy.js'
import { bytePath, showPath, type DenialReason, type PathRequest } from '../../policy/request.js'
import { classify, isCompiled, isScript, NATIVE, type ImportKind } from './classify.js'
import { filesOf, isVirtual, publicFileOf, splitId } from './module-id.js'
import { isNormalId } from './normal-form.js'
import { forbidden, type GateWorker } from './outcome.js'
import { isInTrees, type ModuleContent } from './project.js'
import { walk, type Walked } from './walk.js'

export type ImportVerdict =
  /**
   * Vite may load it. `file`: the file behind the module, if any. `granted`: this worker's policy was needed to allow
   * it.
   */
  | { readonly by: 'vite'; readonly file?: string; readonly granted?: boolean }
  /** The worker imports the file by itself, and the broker decides. */
  | { readonly by: 'worker'; readonly file: string; readonly query: string }
  /** The worker's module runner gets the file as it is: no plugin of Vite's sees what a test has written. */
  | { readonly by: 'runner'; readonly file: string }
  /** Vite gets the content from the gate and never opens the file, because its name may lead elsewhere by then. */
  | { readonly by: 'gate'; readonly file: string; readonly as: ModuleContent['as']; readonly changedAt: number }
  /** The file does not exist, but a test could create it at any moment. */
  | { readonly by: 'nobody'; readonly missing: string }
  | { readonly by: 'nobody'; readonly refused: Refusal }

export function judgeModule(id: string, worker: GateWorker): ImportVerdict {
  const { project, writes } = worker
  const settled = writes.settled(project)
  if (settled.has(id)) return { by: 'vite' }
  if (isVirtual(id)) return { by: 'vite' }
  if (!isNormalId(id)) return no(`${JSON.stringify(id)} is no plain name of a module`)
  const verdicts: ImportVerdict[] = []
  let missing: string | undefined
  let isForAll = true
  const paths = [...filesOf(id, process.cwd()), publicFileOf(id, project.publicDir)].filter(
    (name) => name !== undefined,
  )
  for (const path of paths) {
    const walked = walk(path)
    if (writes.exclusions.covers(bytePath(walked.real))) isForAll = false
    const isThere = walked.kind !== 'dir' && (walked.kind !== 'missing' || walked.links.length > 0)
    if (isThere) verdicts.push(judgeFile(path, walked, splitId(id).query, worker))
    else if (writes.covering(walked) !== undefined) missing ??= path
  }
  if (paths.length === 0) return no(`${JSON.stringify(id)} is no plain name of a module`)
  const verdict = combined(verdicts, missing)
  if (isForAll && verdict.by === 'vite' && verdict.granted === false && settled.size < MOST_SETTLED) settled.add(id)
  return verdict
}

/**
 * Combines the verdicts on all files of a module. `missing`: a path where nothing exists, but a test could create
 * something at any moment.
 */
function combined(verdicts: readonly ImportVerdict[], missing: string | undefined): ImportVerdict {
  const refused = verdicts.find(({ by }) => by === 'nobody')
  if (refused !== undefined) return refused
  const [first] = verdicts
  // A plugin's own module, or one that Vite reports as missing: no file exists that Vite could read, and no test can
  // create one.
  if (first === undefined) return missing === undefined ? NOTHING_TO_READ : { by: 'nobody', missing }
  // Code is loaded by its own path. For a file that is only read, Vite would prefer the other place.
  const isSafe = missing === undefined || first.by !== 'vite' || first.granted === false
  return isSafe ? first : no(`tests may write ${show(missing)}, which would take the place of what is read`)
}

const NOTHING_TO_READ: ImportVerdict = { by: 'vite' }
const MOST_SETTLED = 50_000
const KERNEL = ['/proc', '/sys', '/dev'].map(bytePath)

/** True if a path leads into a file system in which the kernel answers for the process that reads. */
export function isKernel({ real, links }: Pick<Walked, 'real' | 'links'>, path: string): boolean {
  return [path, real, ...links].some((at) => KERNEL.some((top) => isWithin(bytePath(at), top)))
}

function judgeFile(path: string, walked: Walked, query: string, worker: GateWorker): ImportVerdict {
  const shown = show(path)
  if (isKernel(walked, path)) {
    return no(
      `Vitest's own process would read ${shown}, where the kernel answers for that process and not for the test`,
    )
  }
  // A link that leads nowhere now, or only for the process that follows it.
  if (walked.kind === 'missing') return { by: 'nobody', missing: path }
  if (walked.kind === 'other') return no(`${shown} is not a regular file; opening it could stop Vitest's own process`)
  const kind = kindOf(path, walked.real, query, worker)
  const entry = worker.writes.covering(walked)
  const isOwn = worker.files.has(path)
  if (!isOwn && isExcludedFor(walked.real, worker)) {
    const granted = byGrant(path, walked.real, worker, 'any')
    if (granted.by !== 'vite') return granted
  }
  if (entry !== undefined || (isOwn && mayWrite(walked.real, worker)))
    return judgeWritable(path, walked, query, kind, entry, worker)
  const isPackaged = walked.real.includes('/node_modules/')
  if (isPackaged && isCompiled(walked.real, query)) {
    // If style sheets are not compiled, Vitest empties this one, whatever it contains. A plugin could still read it
    // before, so the gate serves it.
    const isEmpty = kind.is === 'style' && !worker.project.compilesStyle(walked.real)
    if (isEmpty) return { by: 'gate', file: walked.real, as: 'style', changedAt: walked.changedAt }
    // Compiling it may read files and run code, in Vitest's own process.
    return byGrant(path, walked.real, worker, 'manifest')
  }
  if (kind.is !== 'read' && (isOwn ? isInProject : isImportable)(walked.real, worker))
    return { by: 'vite', file: walked.real, granted: false }
  return byGrant(path, walked.real, worker, 'any')
}

/**
 * Judges a file that a source map names. `unsettled`: a test decides what is there when Vite looks. A directory cannot
 * be read, so it counts as missing.
 */
export function judgeSource(
  path: string,
  as: 'map' | 'source',
  worker: GateWorker,
): 'granted' | 'missing' | 'unsettled' | Refusal {
  const walked = walk(path)
  const { real, kind } = walked
  if (isKernel(walked, path)) return forbidden(`a source map names ${show(path)}, where the kernel answers`)
  if (worker.writes.covering(walked) !== undefined) return 'unsettled'
  if (kind === 'missing' || kind === 'dir') return 'missing'
  if (kind === 'other') return forbidden(`a source map names ${show(path)}, which is not a regular file`)
  // A map belongs to the code beside it.
  const isCode = as === 'map' ? extname(real) === '.map' : kindOf(path, real, '', worker).is !== 'read'
  if (isCode && isImportable(real, worker)) return 'granted'
  const verdict = byGrant(path, real, worker, 'any')
  return verdict.by === 'nobody' && 'refused' in verdict ? verdict.refused : 'granted'
}

/** The kind of a file. A link may have another name than its target; if either name makes it a read, it is a read. */
function kindOf(path: string, real: string, query: string, { project }: GateWorker): ImportKind {
  const spelled = classify(path, query, project.extensions)
  const actual = classify(real, query, project.extensions)
  return spelled.is === 'read' ? spelled : actual
}

/** True for code that a worker may import without a grant. */
function isImportable(real: string, worker: GateWorker): boolean {
  return isInProject(real, worker) && !isExcludedFor(real, worker)
}

/** True if the manifest of a worker excludes a file. Modules that the config names are loaded all the same. */
export function isExcludedFor(real: string, { excluded, project }: GateWorker): boolean {
  return !project.configured.has(real) && excluded.covers(bytePath(real))
}

function isInProject(real: string, { project }: GateWorker): boolean {
  if (project.configured.has(real)) return true
  return isInTrees(real, project) && !real.includes('/.git/')
}

function byGrant(path: string, real: string, worker: GateWorker, whose: 'any' | 'manifest'): ImportVerdict {
  const request = readOf(real)
  const verdict = decide(whose === 'any' ? worker.policy : worker.manifest, request)
  if (verdict.allowed) {
    worker.used(allowed(request, verdict.granted))
    return { by: 'vite', file: real }
  }
  // An entry of `deny`: as if nothing were there.
  if (worker.policy.mode === 'enforce' && quietly(worker.policy, request.path) !== undefined)
    return { by: 'nobody', missing: path }
  const refused = refusedAccess(request, verdict.reason, path, worker)
  return refused === undefined ? { by: 'vite', file: real } : { by: 'nobody', refused }
}

/** The refusal of an access to a path; none in audit mode, which only records it. */
export function refusedAccess(
  request: PathRequest,
  reason: DenialReason,
  path: string,
  { policy, note }: GateWorker,
): Refusal | undefined {
  const spelled = bytePath(path)
  const refused: Refusal = {
    outcome: 'denied',
    request,
    reason,
    ...(spelled === request.path ? {} : { asked: spelled }),
  }
  if (policy.mode === 'enforce') return refused
  note(refused)
  return undefined
}

function judgeWritable(
  path: string,
  walked: Walked,
  query: string,
  kind: ImportKind,
  entry: string | undefined,
  worker: GateWorker,
): ImportVerdict {
  const { real, changedAt } = walked
  if (kind.is === 'read') {
    const granted = byGrant(path, real, worker, 'any')
    if (granted.by !== 'vite') return granted
    // For `?url` Vite makes the address from the file's name; only small pictures are put into the module.
    if (kind.as === 'url' && extname(real) !== '.svg') return granted
    if (kind.as === 'json' || kind.as === 'raw') return { by: 'gate', file: real, as: kind.as, changedAt }
    return no(`${whose(path, entry, worker)} (node:fs can read it)`)
  }
  if (kind.is === 'code' && isScript(real)) {
    // A file that existed before the first worker started is the user's own.
    if (worker.files.has(path) || !worker.writes.isChanged(walked)) {
      // But a link of a test's may lead to any file.
      const granted = isImportable(real, worker) ? undefined : byGrant(path, real, worker, 'any')
      return granted?.by === 'nobody' ? granted : { by: 'gate', file: real, as: 'script', changedAt }
    }
    if (NATIVE.has(extname(real)) && NATIVE.has(extname(path))) {
      const granted = byGrant(path, real, worker, 'any')
      if (granted.by === 'nobody') return granted
      // Node gets what Vitest leaves to it as well, by default.
      const isForNode = extname(real) === '.cjs' || real.includes('/node_modules/')
      return isForNode ? { by: 'worker', file: real, query } : { by: 'runner', file: real }
    }
    return no(`${whose(path, entry, worker)} (the test can import JavaScript, such as .mjs, by itself)`)
  }
  // If style sheets are not compiled, Vitest empties it, whatever it contains.
  const isEmpty = kind.is === 'style' && !worker.project.compilesStyle(real)
  return isEmpty ? { by: 'gate', file: real, as: 'style', changedAt } : no(whose(path, entry, worker))
}

function whose(path: string, entry: string | undefined, { project }: GateWorker): string {
  const shown = show(relative(project.root, path))
  const out =
    entry === undefined || /^<(?:tmp|file|attachments)>/.test(entry)
      ? ''
      : `; write: ['${entry}', '!${shown}'] would keep them from it`
  return `tests may write ${show(path)}, and Vitest's own process loads nothing that a test may have written${out}`
}

function mayWrite(real: string, { policy }: GateWorker): boolean {
  return decide(policy, { kind: 'path', access: 'write', path: bytePath(real) }).allowed
}

export function readOf(real: string): PathRequest {
  return { kind: 'path', access: 'read', path: bytePath(real) }
}

function show(path: string): string {
  return showPath(bytePath(path))
}

function no(why: string): ImportVerdict {
  return { by: 'nobody', refused: forbidden(why) }
}
