/** Judges the files that come into a module that a worker gets, because the module's text names them, and the directories that are listed for it. */
import { basename, extname } from 'node:path'
import { allowed } from '../../policy/event.js'
import { decide } from '../../policy/policy.js'
import type { PathRequest } from '../../policy/request.js'
import { classify } from './classify.js'
import { isKernel, readOf, refusedAccess } from './import-verdict.js'
import { forbidden, type GateWorker } from './outcome.js'
import { isInTrees, type GateProject } from './project.js'
import type { ReadVerdict } from './reads.js'
import { walk, type Walked } from './walk.js'

/** By which compilers are told how to compile: of the project and its packages, where no test can write. */
const SETTINGS =
  /^(?:package|tsconfig[\w.-]*|jsconfig[\w.-]*|\.?browserslist(?:rc)?|\.(?:babel|postcss|swc|stylelint)rc|(?:babel|postcss|svelte|vite|tailwind)\.config)(?:\.(?:json|jsonc))?$/

export function judgeRead(path: string, worker: GateWorker): ReadVerdict {
  const walked = walk(path)
  const { policy, project, writes, files } = worker
  if (path === '/dev/null') return 'allowed'
  if (isKernel(walked, path) || walked.kind === 'other') {
    worker.note(forbidden(`Vitest's own process would read ${path} for a module`))
    return 'violation'
  }
  if (files.has(walked.real)) return 'allowed'
  // By the time that it is read, a test may have put something else there.
  if (isReplaceable(walked, writes)) return isOwnSetting(walked, path, worker) ? { held: walked.real } : 'refused'
  if (walked.kind === 'missing' || isOwn(walked, project)) return 'allowed'
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

/** True if a test decides what is there. The names in a directory of a test's are nobody's secret; where its link leads, they may be. */
function isReplaceable({ real, kind, links }: Walked, writes: GateWorker['writes']): boolean {
  if (kind !== 'dir') return writes.covering({ real, links }) !== undefined
  return links.some((link) => writes.covering({ real: link, links: [] }) !== undefined)
}

/**
 * A package.json that a test has written beside a module of its own. Vite takes what it says for settings, and tells none of its
 * text but in an error, which replies.ts takes out.
 */
function isOwnSetting({ real, kind }: Walked, path: string, { policy }: GateWorker): boolean {
  if (!SETTINGS.test(basename(real)) || real !== path) return false
  return kind === 'missing' || (kind === 'file' && decide(policy, readOf(real)).allowed)
}

/** Code, style sheets and maps to them, and settings of compilers, where modules may be imported from; and the names there. */
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
 * For what Vitest itself has made, such as for a report of coverage: the project, and nothing that a test has written. A worker that gets
 * it is asked all the same, for what is not everybody's.
 */
export function judgeOwnRead(path: string, project: GateProject, writes: GateWorker['writes']): ReadVerdict {
  const walked = walk(path)
  if (path === '/dev/null') return 'allowed'
  if (isKernel(walked, path) || walked.kind === 'other') return 'refused'
  if (isReplaceable(walked, writes)) return 'refused'
  if (walked.kind === 'missing' || isOwn(walked, project)) return 'allowed'
  return isInTrees(walked.real, project) ? 'noted' : 'refused'
}

/**
 * For what Vitest reads by itself while it answers a worker, such as the text of a module whose cache it looks for. Vite's part is judged
 * by itself; this is only what a test may have put there.
 */
export function judgeVitestRead(path: string, project: GateProject, writes: GateWorker['writes']): ReadVerdict {
  const walked = walk(path)
  if (!isReplaceable(walked, writes)) return 'allowed'
  const isOwnPlace = writes.covering({ ...walked, links: [] }) !== undefined || isInTrees(walked.real, project)
  return isOwnPlace && (walked.kind === 'file' || walked.kind === 'missing') ? { held: walked.real } : 'refused'
}
