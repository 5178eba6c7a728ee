/** Judges the files that are read, and the directories that are listed, to make a module for a worker. */
import { basename, extname } from 'node:path'
import { allowed } from '../../policy/event.js'
import { decide } from '../../policy/policy.js'
import { bytePath, type PathRequest } from '../../policy/request.js'
import { classify, isScript } from './classify.js'
import { isExcludedFor, isKernel, readOf, refusedAccess } from './import-verdict.js'
import { forbidden, type GateWorker } from './outcome.js'
import { isInTrees, type GateProject } from './project.js'
import type { ReadVerdict } from './reads.js'
import { walk, type Walked } from './walk.js'

/**
 * The settings that tell compilers how to compile. They may be read in the project and its packages, where no test can
 * write: they name plugins, whose code a compiler runs.
 */
const SETTINGS =
  /^(?:package|tsconfig[\w.-]*|jsconfig[\w.-]*|\.?browserslist(?:rc)?|\.(?:babel|postcss|swc|stylelint)rc|(?:babel|postcss|svelte|vite|tailwind)\.config)(?:\.(?:json|jsonc))?$/
/** The settings that may be a test's own: they say how names are resolved. Of a package.json, only that is passed on. */
const RESOLVING = /^(?:package|(?:tsconfig|jsconfig)[\w.-]*)\.json$/

export function judgeRead(path: string, worker: GateWorker): ReadVerdict {
  const walked = walk(path)
  const { policy, project, writes, files } = worker
  if (path === '/dev/null') return 'allowed'
  if (isKernel(walked, path) || walked.kind === 'other') {
    worker.note(forbidden(`Vitest's own process would read ${path} for a module`))
    return 'violation'
  }
  if (files.has(walked.real)) return 'allowed'
  // A test may put something else there before it is read.
  if (isReplaceable(walked, writes)) return judgeOfTest(walked, path, worker)
  if (walked.kind === 'missing') return 'allowed'
  if (isOwn(walked, project) && !isExcludedFor(walked.real, worker)) return ofOwn(walked, writes)
  const request: PathRequest = { ...readOf(walked.real), access: walked.kind === 'dir' ? 'list' : 'read' }
  const verdict = decide(policy, request)
  if (verdict.allowed) {
    worker.used(allowed(request, verdict.granted))
    return 'noted'
  }
  const refused = refusedAccess(request, verdict.reason, path, worker)
  if (refused === undefined) return 'noted'
  worker.note(refused)
  return 'violation'
}

/**
 * True if a test decides what is at a path. The names in a test's own directory are no secret, but those behind a link
 * of a test may be.
 */
function isReplaceable({ real, kind, links }: Walked, writes: GateWorker['writes']): boolean {
  if (kind !== 'dir') return writes.covering({ real, links }) !== undefined
  return links.some((link) => writes.covering({ real: link, links: [] }) !== undefined)
}

/**
 * Judges what a test may have written. The package.json beside a module of its own is used by Vite. Its text appears
 * only in an error, from which replies.ts removes it. Compilers look for other settings as well: they go on where there
 * are none, and fail where a test may have made some.
 */
function judgeOfTest({ real, kind }: Walked, path: string, { policy }: GateWorker): ReadVerdict {
  const name = basename(real)
  if (!SETTINGS.test(name) || real !== path) return 'refused'
  if (!RESOLVING.test(name)) return kind === 'missing' ? 'absent' : 'refused'
  const isAllowed = kind === 'missing' || (kind === 'file' && decide(policy, readOf(real)).allowed)
  if (!isAllowed) return 'refused'
  return { held: real, as: name === 'package.json' ? 'package' : 'whole' }
}

/** The verdict on a file of the project for those who may read it: others may not, if a policy of the run excludes it. */
function ofOwn({ real }: Walked, { exclusions }: GateWorker['writes']): ReadVerdict {
  return exclusions.covers(bytePath(real)) ? 'noted' : 'allowed'
}

/**
 * True for code, style sheets and their maps, compilers' settings, and names of directories, in trees that modules may
 * be imported from.
 */
function isOwn({ real, kind }: Walked, project: GateProject): boolean {
  if (project.configured.has(real)) return true
  if (!isInTrees(real, project) || real.includes('/.git/')) return false
  return (
    kind === 'dir' ||
    classify(real, '', project.extensions).is !== 'read' ||
    extname(real) === '.map' ||
    SETTINGS.test(basename(real))
  )
}

/**
 * Judges reads for modules that Vitest itself requests, such as for a coverage report: only the project, and nothing
 * that a test has written. A worker that later gets such a module is judged for files that not everybody may read.
 */
export function judgeOwnRead(path: string, project: GateProject, writes: GateWorker['writes']): ReadVerdict {
  const walked = walk(path)
  if (path === '/dev/null') return 'allowed'
  if (isKernel(walked, path) || walked.kind === 'other') return 'refused'
  if (isReplaceable(walked, writes)) return 'refused'
  if (walked.kind === 'missing') return 'allowed'
  if (isOwn(walked, project)) return ofOwn(walked, writes)
  return isInTrees(walked.real, project) ? 'noted' : 'refused'
}

/**
 * Judges the file of a module that Vitest itself requests. A script that no test of this run has written is the user's
 * own, as `judgeWritable` has it for workers.
 */
export function judgeOwnModule(path: string, project: GateProject, writes: GateWorker['writes']): ReadVerdict {
  const walked = walk(path)
  const isUsers = walked.kind === 'file' && isOwn(walked, project) && isScript(walked.real) && !writes.isChanged(walked)
  return isUsers ? 'allowed' : judgeOwnRead(path, project, writes)
}

/**
 * Judges reads of Vitest itself while it answers a worker, such as the text of a module that it looks for in its cache.
 * Vite's reads are judged separately. This only checks for files that a test may have put there.
 */
export function judgeVitestRead(path: string, project: GateProject, writes: GateWorker['writes']): ReadVerdict {
  const walked = walk(path)
  if (!isReplaceable(walked, writes)) return 'allowed'
  const isOwnPlace = writes.covering({ ...walked, links: [] }) !== undefined || isInTrees(walked.real, project)
  return isOwnPlace && (walked.kind === 'file' || walked.kind === 'missing')
    ? { held: walked.real, as: 'whole' }
    : 'refused'
}
