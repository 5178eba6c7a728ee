/**
 * Judges the source maps that a module names. Vite follows them in its own process, and sends what it reads to the
 * worker with the module. So the worker must be allowed to read each of these files.
 */
import { dirname, resolve } from 'node:path'
import type { Refusal } from '../../policy/event.js'
import { judgeSource } from './import-verdict.js'
import { commentsOf, mapOf } from './map-files.js'
import { filesOf } from './module-id.js'
import type { GateWorker } from './outcome.js'
import { placesOf, type Comments, type Mapped } from './source-maps.js'
import { walk } from './walk.js'

/** The verdict on a module's source maps. `later`: it depends on what Vite makes of the module if its maps count. */
export type MapVerdict =
  | { readonly is: 'fine' }
  /** It is not certain which files Vite would read. The module can be served without its map. */
  | { readonly is: 'uncertain'; readonly file: string; readonly changedAt: number; readonly later: boolean }
  | { readonly is: 'refused'; readonly file: string; readonly refused: Refusal; readonly later: boolean }

const FINE: MapVerdict = { is: 'fine' }

/** Judges the maps of a module that Vite may load, which no test can write. */
export function judgeMaps(id: string, worker: GateWorker): MapVerdict {
  for (const file of filesOf(id, process.cwd())) {
    const comments = commentsOf(file)
    if (comments.inline.length === 0 && comments.files.length === 0) continue
    const verdict = judgeComments(file, comments, worker)
    if (verdict.is !== 'fine') return verdict
  }
  return FINE
}

function judgeComments(file: string, { inline, files }: Comments, worker: GateWorker): MapVerdict {
  const found = new MapReading(file, worker)
  for (const name of files) {
    const path = resolve(dirname(file), name)
    if (found.look(path, 'map')) found.follow(mapOf(path))
  }
  for (const map of inline) found.follow(map)
  return found.verdict
}

class MapReading {
  #refused: Refusal | undefined
  #isOdd = false
  #isUnsettled = false

  constructor(
    readonly file: string,
    readonly worker: GateWorker,
  ) {}

  get verdict(): MapVerdict {
    const { file } = this
    const refused = this.#refused
    const isPackaged = file.includes('/node_modules/') && !this.#isUnsettled
    if (refused !== undefined) {
      return { is: 'refused', file, refused, later: isPackaged && refused.outcome === 'denied' }
    }
    if (!this.#isOdd && !this.#isUnsettled) return FINE
    return { is: 'uncertain', file, changedAt: walk(file).changedAt, later: isPackaged }
  }

  follow({ sources, isOdd }: Mapped): void {
    if (isOdd) this.#isOdd = true
    for (const source of sources) for (const place of placesOf(source, this.file, realDir)) this.look(place, 'source')
  }

  /** True if the file exists and this worker may read it. */
  look(path: string, as: 'map' | 'source'): boolean {
    const judged = judgeSource(path, as, this.worker)
    if (judged === 'missing') return false
    if (judged === 'unsettled') this.#isUnsettled = true
    else if (judged !== 'granted') this.#refuse(judged)
    return judged === 'granted'
  }

  /** Keeps the gravest refusal: one that no entry can lift is graver than one that a grant would. */
  #refuse(refused: Refusal): void {
    if (this.#refused === undefined || refused.outcome === 'forbidden') this.#refused = refused
  }
}

function realDir(path: string): string | undefined {
  const { kind, real } = walk(path)
  return kind === 'dir' ? real : undefined
}
