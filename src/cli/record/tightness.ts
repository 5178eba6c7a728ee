/** The part of the opened files that was used. The figure shows if a manifest is narrow. */
import { isWithin } from '../../policy/canonical.js'
import { bytePath } from '../../policy/request.js'
import { filesBelow } from './collapse-rules.js'
import type { Drafts, Used } from './drafts.js'
import type { Draft } from './share.js'

export interface Tightness {
  /** The number of the project's files that entries for reading and writing cover, as they are on disk now. */
  readonly opened: number
  /** The number of those files that a test used. */
  readonly used: number
}

export function tightnessOf(
  drafts: readonly Draft[],
  used: readonly Used[],
  { places, world, covering }: Drafts,
): Tightness {
  const opening = drafts.filter(({ list }) => list === 'read' || list === 'write')
  const [file] = covering.recording.files
  if (file === undefined || opening.length === 0) return { opened: 0, used: 0 }
  // A file that is open to any test counts once, so all entries apply to one test file here.
  const all = opening.map((draft) => ({ ...draft, users: new Set([file.file]) }))
  const tops = all.flatMap(({ entry }) => topOf(entry, places))
  const outermost = tops.filter((top) => !tops.some((other) => other !== top && isWithin(top, other)))
  const files = [...new Set(outermost)].flatMap((top) => {
    const looked = world.lookup(top)
    return looked.kind === 'dir' ? filesBelow(top, world.names) : looked.kind === 'file' ? [top] : []
  })
  const opened = files.filter((path) =>
    covering.covers(all, file, {
      kind: 'path',
      list: 'read',
      path,
      tree: false,
      link: false,
      request: { kind: 'path', access: 'read', path },
    }),
  )
  const touched = new Set(used.flatMap(({ need }) => (need.kind === 'path' || need.kind === 'look' ? [need.path] : [])))
  return { opened: opened.length, used: opened.filter((path) => touched.has(path)).length }
}

/** The directory that an entry in the project starts from, before any glob. */
function topOf(entry: string, { root, workspace }: Drafts['places']): ReturnType<typeof bytePath>[] {
  if (/^[/!]|^<(?!workspace>|root>)/.test(entry)) return []
  const dir = entry.startsWith('<workspace>/') ? workspace : root
  const below = entry.replace(/^<[a-z]+>\//, '').replace(/^\.\/+/, '')
  const fixed = below.split('/')
  const magic = fixed.findIndex((name) => /[*?[\]{}]/.test(name))
  const names = (magic < 0 ? fixed : fixed.slice(0, magic)).filter((name) => name !== '')
  return [bytePath([dir === '/' ? '' : dir, ...names].join('/') || '/')]
}
