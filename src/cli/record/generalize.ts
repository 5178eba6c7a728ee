/**
 * From what tests did to the smallest manifest that a person would have written. Pure. Everything that was recorded is
 * covered, or told of: the manifest is bound and asked before it is given away.
 */
import { posix } from 'node:path'
import { bindManifest, type BindContext } from '../../policy/bind.js'
import { isWithin } from '../../policy/canonical.js'
import { filesFor } from '../../policy/file-globs.js'
import type { ListKey, Manifest } from '../../policy/manifest.js'
import { bendsEntries, compilePolicy, decide, type Policy } from '../../policy/policy.js'
import { bytePath, type BytePath } from '../../policy/request.js'
import { parseOptions } from '../../policy/schema.js'
import { spell, type Places } from '../../policy/spell.js'
import { programName } from '../../policy/suggest.js'
import { describeRequest } from '../../policy/words.js'
import type { RecordedFile, Recording } from '../../vitest/recording.js'
import { addressEntry, inetEntries, type InetUse } from './addresses.js'
import { collapse, type Item } from './collapse.js'
import { collapseRules } from './collapse-rules.js'
import { pathDanger, secretsIn, socketDanger } from './dangers.js'
import { needOf, type Need, type PathList } from './needs.js'
import { compareEntries, merged, shared, type Draft } from './share.js'
import { asGlob, stablePath } from './volatile.js'
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

export interface GeneralizeOptions {
  readonly acceptDangerous: boolean
}

type Parts = Pick<Recording, 'root' | 'workspace' | 'home' | 'searchPath' | 'testFiles' | 'files'>
type Used = { readonly need: Need; readonly file: RecordedFile }

export function generalize(recording: Parts, world: World, options: GeneralizeOptions): Generalized {
  const needs = recording.files.flatMap((file) => file.accesses.flatMap((access): Used[] => {
    const need = needOf(access, file)
    return need === undefined ? [] : [{ need, file }]
  }))
  const maker = new Maker(recording, world, options)
  const strong = needs.filter(({ need }) => need.kind !== 'look')
  const first = maker.make(strong)
  // What is granted, and what lies above it, may be looked at anyway.
  const looks = needs.filter(({ need, file }) => need.kind === 'look' && !maker.covers(first, file, need))
  const worthIt = looks.filter(({ need }) => !maker.isElsewhere(need))
  const drafts = maker.make([...strong, ...worthIt])
  const unseen = looks.filter(({ need, file }) => maker.isElsewhere(need) && !maker.covers(drafts, file, need))
  return { ...maker.finished([...strong, ...worthIt], drafts), unseen: [...new Set(unseen.map(({ need }) => describeRequest(need.request)))].sort() }
}

class Maker {
  readonly #places: Places

  constructor(readonly recording: Parts, readonly world: World, readonly options: GeneralizeOptions) {
    const { root, workspace, home } = recording
    this.#places = { root, workspace, home }
  }

  make(used: readonly Used[]): readonly Draft[] {
    const drafts = [...this.#paths(used), ...this.#sockets(used), ...this.#own(used)]
    return [...merged(drafts)].filter((draft) => this.#binds(draft))
  }

  /** The rest that the drafts leave uncovered gets entries of its own, exactly as they were asked for. */
  finished(used: readonly Used[], drafts: readonly Draft[]): Omit<Generalized, 'unseen'> {
    const rest = used.filter(({ need, file }) => !this.covers(drafts, file, need))
    const exact = rest.flatMap(({ need, file }): readonly Draft[] => {
      const users = new Set([file.file])
      if (!this.#isWanted(need)) return []
      if (need.kind === 'path') return this.#drafts(need.list, [{ path: need.path, shape: need.tree ? 'tree' : 'file', users }])
      const entry = need.kind === 'socket' ? addressEntry(need.request, need.inTmp, this.#places) : undefined
      return need.kind === 'socket' && entry !== undefined ? [{ list: need.request.access, entry, users }] : []
    })
    const all = merged([...drafts, ...exact]).filter((draft) => this.#binds(draft))
    const dangers = this.#dangers(used)
    const left = rest.filter(({ need, file }) => this.#isWanted(need) && !this.covers(all, file, need))
    return { ...shared(all, this.recording.testFiles), dangers, uncovered: [...new Set(left.map(({ need }) => describeRequest(need.request)))].sort() }
  }

  /** A directory outside the project that somebody looked at. */
  isElsewhere(need: Need): boolean {
    const { root, workspace } = this.#places
    return need.kind === 'look' && need.directory && ![root, workspace].some((dir) => isWithin(need.path, bytePath(dir)))
  }

  #isWanted(need: Need): boolean {
    return this.options.acceptDangerous || dangerOf(need, this.#places) === undefined
  }

  covers(drafts: readonly Draft[], file: RecordedFile, need: Need): boolean {
    const policy = this.#policyFor(drafts, file)
    return decide(policy, need.request).allowed && !(need.kind === 'path' && need.link && bendsEntries(policy, need.path, 'link'))
  }

  readonly #policies = new WeakMap<readonly Draft[], Map<string, Policy>>()

  #policyFor(drafts: readonly Draft[], file: RecordedFile): Policy {
    const known = this.#policies.get(drafts) ?? new Map<string, Policy>()
    this.#policies.set(drafts, known)
    const made = known.get(file.file) ?? this.#bind(shared(drafts, this.recording.testFiles), file)
    known.set(file.file, made)
    return made
  }

  #bind({ manifest, files }: Pick<Generalized, 'manifest' | 'files'>, file: RecordedFile): Policy {
    const options = parseOptions({ manifest, files })
    const bound = [options.manifest, ...filesFor(options, file.file).map((one) => one.manifest)].map((one) => bindManifest(one, this.#contextOf(file)))
    return compilePolicy({ mode: 'enforce', lists: bound.flatMap(({ lists }) => lists), sockets: bound.flatMap(({ sockets }) => sockets) })
  }

  #contextOf({ tmp, file }: Pick<RecordedFile, 'tmp' | 'file'>): BindContext {
    const { root, workspace, home, searchPath } = this.recording
    return { root, workspace, home, searchPath, tmp, file: posix.join(root, posix.dirname(file)), lookup: this.world.lookup }
  }

  #contextFor(file: RecordedFile, need: Need) {
    const asked = need.kind === 'path' ? need.asked : undefined
    return { ...this.#places, tmp: file.tmp, searchPath: this.recording.searchPath, ...(asked === undefined ? {} : { asked }) }
  }

  /** An entry that means something else by now, such as a link that leads nowhere, would stop the next run. */
  #binds({ list, entry }: Pick<Draft, 'list' | 'entry'>): boolean {
    const { manifest } = parseOptions({ manifest: { [list]: [entry] } })
    return bindManifest(manifest, this.#contextOf({ tmp: '/tmp', file: 'a' })).problems.length === 0
  }

  #paths(used: readonly Used[]): readonly Draft[] {
    const items: Record<PathList, Item[]> = { read: [], write: [], exec: [] }
    const dangerous: Draft[] = []
    for (const { need, file } of used) {
      if (need.kind !== 'path' && need.kind !== 'look') continue
      const users = new Set([file.file])
      const list = need.kind === 'look' ? 'read' : need.list
      const stable = stablePath(need.path, (at) => this.world.lookup(at).kind === 'missing')
      const path = need.kind === 'path' && need.link ? asGlob(stable) : stable
      const shape = (need.kind === 'look' ? need.directory : need.tree) ? 'tree' : 'file'
      const danger = dangerOf(need, this.#places)
      if (danger === undefined) {
        const program = list === 'exec' ? this.#program(need, file) : undefined
        if (program === undefined) items[list].push({ path, shape, users })
        else dangerous.push({ list, entry: program, users })
      } else if (this.options.acceptDangerous && need.kind === 'path') {
        dangerous.push({ list, entry: this.#spelled({ path, shape }, list), users, why: `DANGEROUS: ${danger}` })
      }
    }
    const written = collapse(items.write, collapseRules('write', items.write, this.#places, this.world))
    // Writing includes reading.
    const read = collapse(items.read.filter((item) => !isCovered(item, written)), collapseRules('read', items.read, this.#places, this.world))
    return [
      ...dangerous,
      ...this.#drafts('write', written), ...this.#drafts('read', read.filter((item) => !isCovered(item, written))), ...this.#drafts('exec', items.exec),
    ]
  }

  #program(need: Need, file: RecordedFile): string | undefined {
    return need.kind === 'path' ? programName(this.#contextFor(file, need), need.request) : undefined
  }

  #drafts(list: PathList, items: readonly Item[]): readonly Draft[] {
    return items.map((item) => {
      // A tree that a test asked for as a whole: what no test asked for in it stays out.
      const secrets = item.shape === 'tree' ? secretsIn(item.path, this.world.names) : []
      const without = secrets === 'unknown' ? [] : secrets.map((path) => `!${this.#spelled({ path, shape: this.#shapeOf(path) }, list)}`).filter((entry) => this.#binds({ list, entry }))
      return { list, entry: this.#spelled(item, list), users: item.users, ...(without.length === 0 ? {} : { without }) }
    })
  }

  #shapeOf(path: BytePath): Item['shape'] {
    return this.world.lookup(path).kind === 'dir' ? 'tree' : 'file'
  }

  #spelled({ path, shape }: Pick<Item, 'path' | 'shape'>, list: PathList): string {
    const entry = spell(this.#places, path, shape === 'tree' ? '/' : '')
    return list === 'exec' && !entry.includes('/') ? `./${entry}` : entry
  }

  #sockets(used: readonly Used[]): readonly Draft[] {
    const inet = new Map<string, InetUse>()
    const keyed = used.flatMap(({ need, file }) => (need.kind === 'socket' ? [{ need, file, key: JSON.stringify(need.request) }] : []))
    for (const { need: { request: { access, address } }, key } of keyed) if (address.family === 'inet') inet.set(key, { access, address })
    const safe = [...inet].filter(([, { address }]) => socketDanger(address) === undefined)
    const entries = inetEntries(safe.map(([, use]) => use))
    return keyed.flatMap(({ need: { request, inTmp }, file, key }): Draft[] => {
      const why = socketDanger(request.address)
      const use = inet.get(key)
      const entry = (use === undefined ? undefined : entries.get(use)) ?? addressEntry(request, inTmp, this.#places)
      if (entry === undefined || (why !== undefined && !this.options.acceptDangerous)) return []
      return [{ list: request.access, entry, users: new Set([file.file]), ...(why === undefined ? {} : { why: `DANGEROUS: ${why}` }) }]
    })
  }

  /** The private temporary directory: what reads there has been written there. */
  #own(used: readonly Used[]): readonly Draft[] {
    return used.flatMap(({ need, file }) => (need.kind === 'tmp' ? [{ list: need.list === 'exec' ? 'exec' as const : 'write' as const, entry: '<tmp>/', users: new Set([file.file]) }] : []))
  }

  #dangers(used: readonly Used[]): readonly Danger[] {
    const found = new Map<string, { list: ListKey; entry: string; why: string; users: Set<string> }>()
    for (const { need, file } of used) {
      const why = dangerOf(need, this.#places)
      if (why === undefined || need.kind === 'look') continue
      const list = need.kind === 'socket' ? need.request.access : need.list
      const entry = need.kind === 'path' ? this.#spelled({ path: need.path, shape: need.tree ? 'tree' : 'file' }, need.list)
        : need.kind === 'socket' ? addressEntry(need.request, need.inTmp, this.#places) ?? describeRequest(need.request) : ''
      const known = found.get(`${list}\0${entry}`) ?? { list, entry, why, users: new Set<string>() }
      known.users.add(file.file)
      found.set(`${list}\0${entry}`, known)
    }
    const sorted = [...found.values()].sort((a, b) => compareEntries(a.entry, b.entry))
    return sorted.map((danger) => ({ ...danger, users: [...danger.users].sort() }))
  }
}

function dangerOf(need: Need, places: Places): string | undefined {
  switch (need.kind) {
    case 'tmp': return undefined
    case 'socket': return need.inTmp ? undefined : socketDanger(need.request.address)
    case 'look': return pathDanger(need.path, 'read', need.directory, places)
    case 'path': return pathDanger(need.path, need.list, need.tree, places)
    default: return need satisfies never
  }
}

function isCovered(item: Item, by: readonly Item[]): boolean {
  return by.some(({ path, shape, users }) => [...item.users].every((user) => users.has(user))
    && (shape === 'tree' ? isWithin(item.path, path) : item.path === path && item.shape === 'file'))
}
