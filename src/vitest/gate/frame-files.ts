/** The files that Vitest's process may read because a stack names them. */
import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { decide } from '../../policy/policy.js'
import { classify } from './classify.js'
import { OF_NODE } from './frames.js'
import { isExcludedFor, isKernel, readOf } from './import-verdict.js'
import type { GateWorker } from './outcome.js'
import { isInTrees, type GateProject } from './project.js'
import { readSafely } from './safe-open.js'
import { walk, type Walked } from './walk.js'
import type { Writes } from './writes.js'

const LARGEST = 32 * 1024 * 1024
const MOST_KNOWN = 10_000

/** The real paths that some worker's frames may name. */
const permittedBefore = new Set<string>()

/**
 * True if a frame may name a file after it was mapped: any map may name any file, and a test file may have got another
 * map since its frames were judged. `isTest`: true for the test files of this run, whose texts Vitest has read to run
 * them.
 */
export function isMappedFrame(
  file: string,
  project: GateProject,
  writes: Writes,
  isTest: (real: string) => boolean,
): boolean {
  if (OF_NODE.test(file)) return true
  const path = resolve(file)
  const walked = walk(path)
  const { real, kind } = walked
  if (isKernel(walked, path)) return false
  if (kind === 'missing') return writes.covering(walked) === undefined
  if (kind !== 'file' || (writes.covering(walked) !== undefined && !(real === path && isTest(real)))) return false
  return permittedBefore.has(real) || (classify(real, '', project.extensions).is === 'code' && isInTrees(real, project))
}

export class FrameFiles {
  /** Verdicts by path and time of change. */
  readonly #known = new Map<string, boolean>()

  permits(path: string, worker: GateWorker): boolean | 'missing' {
    const walked = walk(path)
    if (isKernel(walked, path)) return false
    // A missing file is not read, unless a test can create it in the meantime.
    if (walked.kind === 'missing') return worker.writes.covering(walked) === undefined ? 'missing' : false
    if (walked.kind !== 'file') return false
    if (!this.#isReadable(walked, worker)) return false
    const key = `${walked.changedAt}:${walked.real}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#known.size > MOST_KNOWN) this.#known.clear()
    const maps = mapsOf(walked.real)
    const permitted = maps !== undefined && maps.every((map) => this.#isMap(map, worker))
    this.#known.set(key, permitted)
    if (permitted && permittedBefore.size < MOST_KNOWN) permittedBefore.add(walked.real)
    return permitted
  }

  #isReadable(walked: Walked, worker: GateWorker): boolean {
    const { project, policy, writes, files } = worker
    // Inline snapshots may make a test file writable; Vitest itself has just read it to run it.
    if (writes.covering(walked) !== undefined && !files.has(walked.real)) return false
    const isExcluded = isExcludedFor(walked.real, worker) && !files.has(walked.real)
    const isCode = classify(walked.real, '', project.extensions).is === 'code' && isInTrees(walked.real, project)
    return (isCode && !isExcluded) || decide(policy, readOf(walked.real)).allowed
  }

  /**
   * True if a source map may be read. Vitest reads the map as well, and quotes it in an error message if it cannot be
   * parsed.
   */
  #isMap(path: string, worker: GateWorker): boolean {
    const walked = walk(path)
    if (isKernel(walked, path) || worker.writes.covering(walked) !== undefined) return false
    if (walked.kind === 'missing' || walked.kind === 'dir') return true
    return (
      walked.kind === 'file' &&
      walked.real.endsWith('.map') &&
      (isInTrees(walked.real, worker.project) || decide(worker.policy, readOf(walked.real)).allowed)
    )
  }
}

/**
 * The source maps that a file's comments name (convert-source-map, mapFileCommentRegex); undefined for a file that is
 * too large to search.
 */
function mapsOf(file: string): string[] | undefined {
  // Vitest would read the whole file for a few lines.
  if (statSync(file).size > LARGEST) return undefined
  const text = readSafely(file, LARGEST).toString('latin1')
  const found = text.matchAll(/[#@][ \t]+sourceMappingURL=([^\s'"`*]+)/g)
  return [...found]
    .map(([, url = '']) => url)
    .filter((url) => !url.startsWith('data:'))
    .map((url) => resolve(dirname(file), url))
}
