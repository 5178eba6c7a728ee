/**
 * Checks settings that a test has put where Vite's own bundler looks for them. In Vite 8, Rolldown opens package.json
 * and tsconfig.json by itself, outside of JavaScript, so they are checked before it is called. A link could lead it to
 * any file, and so could `extends`.
 */
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { splitId } from './module-id.js'
import { isInTrees, type GateProject } from './project.js'
import { walk } from './walk.js'
import type { Writes } from './writes.js'

export class PlantedSettings {
  constructor(
    readonly project: Pick<GateProject, 'root' | 'trees'>,
    readonly writes: Writes,
  ) {}

  /**
   * Throws if resolving a name would read a package.json that leads elsewhere: that of the package, or of any directory
   * above.
   */
  checkResolving(id: string, importer: string | undefined): void {
    const from = importer !== undefined && isAbsolute(importer) ? dirname(splitId(importer).path) : this.project.root
    const { path } = splitId(id)
    const dirs = new Set([from, ...this.#targets(path, from)].flatMap(above))
    for (const dir of dirs) this.#check(join(dir, 'package.json'), 'any')
  }

  /**
   * Throws if compiling a module would read a tsconfig.json that leads elsewhere, or that a test of this run has
   * written.
   */
  checkCompiling(id: string): void {
    const { path } = splitId(id)
    if (!isAbsolute(path) || !TYPE_SCRIPT.test(path)) return
    for (const dir of above(dirname(path))) this.#check(join(dir, 'tsconfig.json'), 'unchanged')
  }

  #targets(path: string, from: string): readonly string[] {
    if (isAbsolute(path)) return [path, join(this.project.root, path), path.replace(/^\/@fs\//, '/')]
    if (/^\.{1,2}(?:\/|$)/.test(path)) return [resolve(from, path)]
    return above(from).map((dir) => join(dir, 'node_modules', path))
  }

  #check(file: string, wanted: 'any' | 'unchanged'): void {
    const { writes } = this
    if (!writes.mayHold(file)) return
    const walked = walk(file)
    if (walked.kind === 'missing') return
    const isOwn =
      walked.real === file || isInTrees(walked.real, this.project) || writes.covering({ ...walked, links: [] })
    if (walked.kind === 'file' && isOwn && (wanted === 'any' || !writes.isChanged(walked))) return
    throw new Error(`tests may write ${file}, by which Vite would read further files in its own process`)
  }
}

const TYPE_SCRIPT = /\.[cm]?tsx?$/

function above(dir: string): string[] {
  const parent = dirname(dir)
  return parent === dir ? [dir] : [dir, ...above(parent)]
}
