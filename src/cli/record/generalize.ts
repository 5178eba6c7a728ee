/**
 * From what tests did to the smallest manifest that a person would have written. Pure. Everything that was recorded is
 * covered, or told of: the manifest is bound and asked before it is given away.
 */
import { isWithin } from '../../policy/canonical.js'
import type { ListKey } from '../../policy/lists.js'
import type { Manifest } from '../../policy/manifest.js'
import { bytePath } from '../../policy/request.js'
import type { Places } from '../../policy/spell.js'
import { describeRequest } from '../../policy/words.js'
import { Covering, type Parts } from './covering.js'
import { dangerOf, Drafts, type Used } from './drafts.js'
import { needOf, type Need } from './needs.js'
import { compareEntries, shared } from './share.js'
import type { World } from './world.js'

export interface Danger {
  readonly list: ListKey
  readonly entry: string
  readonly why: string
  /** The test files that need it. */
  readonly users: readonly string[]
}

export interface Generalized {
  readonly manifest: Manifest
  readonly files: { readonly [glob: string]: Manifest }
  readonly dangers: readonly Danger[]
  /** What no entry can say, in words. */
  readonly uncovered: readonly string[]
  /** Directories elsewhere on the machine that were only looked at: not granted, because that would be all that is in them. */
  readonly unseen: readonly string[]
}

interface GeneralizeOptions {
  readonly acceptDangerous: boolean
}

export function generalize(recording: Parts, world: World, { acceptDangerous }: GeneralizeOptions): Generalized {
  const needs = recording.files.flatMap((file) =>
    file.accesses.flatMap((access): Used[] => {
      const need = needOf(access, file)
      return need === undefined ? [] : [{ need, file }]
    }),
  )
  const covering = new Covering(recording, world)
  const making = new Drafts(recording, world, covering, acceptDangerous)
  const strong = needs.filter(({ need }) => need.kind !== 'look')
  const first = making.of(strong)
  // What is granted, and what lies above it, may be looked at anyway.
  const looks = needs.filter(({ need, file }) => need.kind === 'look' && !covering.covers(first, file, need))
  const elsewhere = looks.filter(({ need }) => isElsewhere(need, making.places))
  const made = elsewhere.flatMap(whole)
  const used = [...strong, ...made, ...looks.filter((one) => !elsewhere.includes(one))]
  const drafts = making.of(used)
  const rest = used.filter(({ need, file }) => !covering.covers(drafts, file, need))
  const all = making.bound([...drafts, ...rest.flatMap((one) => making.exactly(one))])
  const isOpen = ({ need, file }: Used): boolean => !covering.covers(all, file, need)
  return {
    ...shared(all, recording.testFiles),
    dangers: dangersOf([...needs, ...made], making),
    uncovered: inWords(rest.filter((one) => making.isWanted(one.need) && isOpen(one))),
    unseen: inWords(elsewhere.filter((one) => whole(one).length === 0 && isOpen(one))),
  }
}

/** A directory elsewhere that a test would have made: only a grant of all that is in it lets the test go on. */
function whole({ need, file }: Used): readonly Used[] {
  if (need.kind !== 'look' || !need.made) return []
  const { path } = need
  return [
    {
      need: {
        kind: 'path',
        list: 'read',
        path,
        tree: true,
        link: false,
        request: { kind: 'path', access: 'read', path },
      },
      file,
    },
  ]
}

function inWords(used: readonly Used[]): readonly string[] {
  return [...new Set(used.map(({ need }) => describeRequest(need.request).replace(/\/proc\/\d+/, '/proc/*')))].sort()
}

/** A directory outside the project that somebody looked at. */
function isElsewhere(need: Need, { root, workspace }: Places): boolean {
  return need.kind === 'look' && need.directory && ![root, workspace].some((dir) => isWithin(need.path, bytePath(dir)))
}

function dangersOf(used: readonly Used[], making: Drafts): readonly Danger[] {
  const found = new Map<string, Omit<Danger, 'users'> & { readonly users: Set<string> }>()
  for (const { need, file } of used) {
    const why = dangerOf(need, making.places)
    // What was looked at only will seem not to be there, which is what it should.
    if (why === undefined || need.kind === 'look' || need.kind === 'tmp') continue
    const list = need.kind === 'socket' ? need.request.access : need.list
    const entry = making.entryFor(need) ?? describeRequest(need.request)
    const known = found.get(`${list}\0${entry}`) ?? { list, entry, why, users: new Set<string>() }
    known.users.add(file.file)
    found.set(`${list}\0${entry}`, known)
  }
  const sorted = [...found.values()].sort((a, b) => compareEntries(a.entry, b.entry))
  return sorted.map((danger) => ({ ...danger, users: [...danger.users].sort() }))
}
