/** Whether a file may come into a module that a worker gets, because the module's text names it. */
import { basename, extname } from 'node:path'
import { allowed } from '../../policy/event.js'
import { decide } from '../../policy/policy.js'
import { classify } from './classify.js'
import { isKernel, readOf, refusedAccess } from './import-verdict.js'
import { forbidden, type GateWorker } from './outcome.js'
import { isInTrees } from './project.js'
import type { ReadVerdict } from './reads.js'
import { walk, type Walked } from './walk.js'

/** By which compilers are told how to compile: of the project and its packages, where no test can write. */
const SETTINGS =
  /^(?:package|tsconfig[\w.-]*|jsconfig[\w.-]*|\.?browserslist(?:rc)?|\.(?:babel|postcss|swc|stylelint)rc|(?:babel|postcss|svelte|vite|tailwind)\.config)(?:\.(?:json|jsonc))?$/

export function judgeRead(path: string, worker: GateWorker): ReadVerdict {
  const walked = walk(path)
  const { policy, writes, files } = worker
  if (path === '/dev/null') return 'allowed'
  if (isKernel(walked, path) || walked.kind === 'other') {
    worker.note(forbidden(`Vitest's own process would read ${path} for a module`))
    return 'refused'
  }
  if (files.has(walked.real)) return 'allowed'
  // By the time that it is read, a test may have put something else there.
  if (writes.covering(walked) !== undefined) return isOwnSetting(walked, worker) ? 'allowed' : 'refused'
  if (walked.kind !== 'file' || isOwn(walked, worker)) return 'allowed'
  const request = readOf(walked.real)
  const verdict = decide(policy, request)
  if (verdict.allowed) {
    worker.used(allowed(request, verdict.granted))
    return 'noted'
  }
  const refused = refusedAccess(request, verdict.reason, path, worker)
  if (refused === undefined) return 'noted'
  worker.note(refused)
  return 'refused'
}

/**
 * A package.json that a test has written beside a module of its own. Vite takes what it says for settings, and tells none of its
 * text but in an error, which replies.ts takes out.
 */
function isOwnSetting({ real, kind, links }: Walked, { policy }: GateWorker): boolean {
  if (!SETTINGS.test(basename(real)) || links.length > 0) return false
  return kind === 'missing' || (kind === 'file' && decide(policy, readOf(real)).allowed)
}

/** Code, style sheets and maps to them, and settings of compilers, where modules may be imported from. */
function isOwn({ real }: Walked, { project }: GateWorker): boolean {
  if (project.configured.has(real)) return true
  if (!isInTrees(real, project) || real.includes('/.git/')) return false
  return (
    classify(real, '', project.extensions).is !== 'read' || extname(real) === '.map' || SETTINGS.test(basename(real))
  )
}

/** For what Vitest itself has made: the config decides, and no test. */
export function judgeOwnRead(path: string, writes: GateWorker['writes']): ReadVerdict {
  const walked = walk(path)
  if (path === '/dev/null') return 'allowed'
  if (isKernel(walked, path) || walked.kind === 'other') return 'refused'
  return writes.covering(walked) === undefined ? 'allowed' : 'refused'
}
