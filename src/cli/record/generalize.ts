/**
 * Turns the accesses of tests into the smallest manifest that a person would have written. Pure. Everything that was
 * recorded is covered or reported: the manifest is bound and asked before it is returned.
 */
import { isWithin } from '../../policy/canonical.js'
import type { HostUse } from '../../policy/event.js'
import type { WrittenKey } from '../../policy/lists.js'
import type { Manifest } from '../../policy/manifest.js'
import { bytePath } from '../../policy/request.js'
import type { Places } from '../../policy/spell.js'
import { describeRequest } from '../../policy/words.js'
import { Covering, type Parts } from './covering.js'
import { Drafts, type Used } from './drafts.js'
import { needOf, type Need } from './needs.js'
import { withPresets } from './presets.js'
import { compareEntries, shared, type Draft } from './share.js'
import { tightnessOf, type Tightness } from './tightness.js'
import { atRest, type World } from './world.js'

export interface Danger {
  readonly list: WrittenKey
  readonly entry: string
  readonly why: string
  /** The test files that need the entry. */
  readonly users: readonly string[]
}

export interface Generalized {
  readonly manifest: Manifest
  readonly files: { readonly [glob: string]: Manifest }
  readonly dangers: readonly Danger[]
  readonly tightness: Tightness
  /** The accesses to write as `deny`. */
  readonly refused: readonly Danger[]
  /** The accesses that no entry can allow, in words. */
  readonly uncovered: readonly string[]
  /** Directories elsewhere on the machine that were only looked at. */
  readonly unseen: readonly string[]
}

interface GeneralizeOptions {
  readonly acceptDangerous: boolean
  /** Dangerous entries for reading without which the tests passed. They become entries of `deny`. */
  readonly unneeded?: ReadonlySet<string>
  /** True if the reason of each entry says how many test files used it. */
  readonly reasons?: boolean
}

export function generalize(
  recording: Parts,
  disk: World,
  { acceptDangerous, unneeded = new Set(), reasons = false }: GeneralizeOptions,
): Generalized {
  const world = atRest(disk)
  const needs = withoutKnownPorts(
    recording.files.flatMap((file) =>
      file.accesses.flatMap((access): Used[] => {
        const need = needOf(access, file)
        return need === undefined ? [] : [{ need, file }]
      }),
    ),
  )
  const covering = new Covering(recording, world)
  const making = new Drafts(recording, world, covering, acceptDangerous)
  const strong = needs.filter(({ need }) => need.kind !== 'look')
  const first = making.of(strong)
  // Granted paths, and everything above them, may be looked at anyway.
  const looks = needs.filter(({ need, file }) => need.kind === 'look' && !covering.covers(first, file, need))
  const passing = looks.filter(({ need }) => isPassing(need, making.places))
  const used = [...strong, ...looks.filter((one) => !passing.includes(one))]
  const found = dangersOf(needs, making)
  const isRefused = ({ list, entry }: Danger): boolean => list === 'read' && unneeded.has(entry)
  const refused = found.filter(isRefused)
  const quiet = refused.map(({ entry, users }): Draft => ({ list: 'deny', entry, users: new Set(users) }))
  const drafts = withPresets([...making.of(used), ...quiet], (entry) =>
    found.some((danger) => !isRefused(danger) && danger.entry === entry),
  )
  const rest = used.filter((one) => making.isWanted(one) && !covering.covers(drafts, one.file, one.need))
  const wanted = making.bound([...drafts, ...rest.flatMap((one) => making.exactly(one))])
  const all = withoutDangers(wanted, needs, making)
  const isOpen = ({ need, file }: Used): boolean => !covering.covers(all, file, need)
  return {
    ...shared(all, recording.testFiles, reasons ? 'with reasons' : 'plain'),
    tightness: tightnessOf(all, needs, making),
    dangers: found.filter((danger) => !isRefused(danger)),
    refused,
    uncovered: inWords(
      used.filter((one) => making.isWanted(one) && isOpen(one) && !covering.coversReal(all, one.file, one.need)),
    ),
    unseen: inWords(passing.filter(isOpen)),
  }
}

/** Drops look-ups without a known port that were followed by a connection, which has the port. */
function withoutKnownPorts(needs: readonly Used[]): readonly Used[] {
  const hostOf = ({ need }: Used): HostUse | undefined => (need.kind === 'socket' ? need.host : undefined)
  const found = new Set(needs.map(hostOf).flatMap((host) => (host?.stage === 'found' ? [host.name] : [])))
  return needs.filter((used) => {
    const host = hostOf(used)
    return host?.port !== '*' || !found.has(host.name)
  })
}

/** Excludes dangerous paths by name from entries that would cover them, so that the manifest grants none of them. */
function withoutDangers(drafts: readonly Draft[], needs: readonly Used[], making: Drafts): readonly Draft[] {
  const left = needs.filter(
    (used) =>
      used.need.kind === 'path' && !making.isWanted(used) && making.covering.covers(drafts, used.file, used.need),
  )
  if (left.length === 0) return drafts
  return drafts.map((draft) => {
    const exclusions = left.flatMap(({ need, file }) =>
      need.kind === 'path' && making.covering.covers([draft], file, need) ? [`!${making.entryFor(need) ?? ''}`] : [],
    )
    const own = [...new Set(exclusions)].filter((entry) => making.covering.binds({ list: draft.list, entry }))
    return own.length === 0 ? draft : { ...draft, without: [...(draft.without ?? []), ...own] }
  })
}

function inWords(used: readonly Used[]): readonly string[] {
  return [...new Set(used.map(({ need }) => describeRequest(need.request).replace(/\/proc\/\d+/, '/proc/*')))].sort()
}

/**
 * True for a directory elsewhere that was only looked at. Its name depends on this machine; git, for example, looks at
 * $PWD.
 */
function isPassing(need: Need, { root, workspace }: Places): boolean {
  if (need.kind !== 'look' || !need.directory || need.made) return false
  return ![root, workspace].some((dir) => isWithin(need.path, bytePath(dir)))
}

function dangersOf(used: readonly Used[], making: Drafts): readonly Danger[] {
  const found = new Map<string, Omit<Danger, 'users'> & { readonly users: Set<string> }>()
  for (const { need, file } of used) {
    const why = making.dangerOf({ need, file })
    // A path that was only looked at will seem not to exist, as it should.
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
