/** Drafts of entries: each as a person would write it, with the test files that need it. */
import { isWithin } from '../../policy/canonical.js'
import { dangerOfEntry, isSecret, mayNameSecret, pathDanger, secretPlacesIn } from '../../policy/dangers.js'
import { SECRETS } from '../../policy/path-grants.js'
import { bytePath, rawPath, type BytePath } from '../../policy/request.js'
import { socketDanger } from '../../policy/socket-dangers.js'
import { ANY, asEntry, spell, type Places } from '../../policy/spell.js'
import { programName } from '../../policy/suggest.js'
import { hostEntry } from '../../policy/words.js'
import type { RecordedFile } from '../../vitest/recording.js'
import { addressEntry, inetEntries, type InetUse, type SocketNeed } from './addresses.js'
import { alike, standsFor } from './alike.js'
import { alikeRule, collapseRules, thereBy } from './collapse-rules.js'
import { collapse, namesOf, type Item } from './collapse.js'
import type { Covering, Parts } from './covering.js'
import type { Need, PathList } from './needs.js'
import { merged, type Draft } from './share.js'
import { asGlob, stablePath } from './volatile.js'
import type { World } from './world.js'

const ONLY_LOOKED_UP = 'looked up only: no port is known'

export interface Used {
  readonly need: Need
  readonly file: RecordedFile
}

export class Drafts {
  readonly places: Places

  constructor(
    readonly recording: Parts,
    readonly world: World,
    readonly covering: Covering,
    readonly acceptDangerous: boolean,
  ) {
    const { root, workspace, home } = recording
    this.places = { root, workspace, home }
  }

  isWanted(used: Used): boolean {
    return this.acceptDangerous || this.dangerOf(used) === undefined
  }

  readonly #made = new WeakMap<RecordedFile, readonly BytePath[]>()

  /** The directories that a test file created and that no longer exist. */
  #madeBy(file: RecordedFile): readonly BytePath[] {
    const known =
      this.#made.get(file) ??
      file.accesses.flatMap(({ operation, request, there }) =>
        request.kind === 'path' &&
        operation === 'create-directory' &&
        there === undefined &&
        this.world.lookup(request.path).kind === 'missing'
          ? [request.path]
          : [],
      )
    this.#made.set(file, known)
    return known
  }

  dangerOf({ need, file }: Used): string | undefined {
    switch (need.kind) {
      case 'tmp':
        return undefined
      case 'socket':
        return need.inTmp ? undefined : this.#socketDanger(need)
      case 'look':
      case 'path': {
        const list = listOf(need)
        const tree = need.kind === 'path' && need.tree
        const isOwn = this.#madeBy(file).some((dir) => isWithin(need.path, dir))
        return pathDanger(need.path, list, tree, this.places, isOwn ? 'own' : 'found')
      }
      default:
        return need satisfies never
    }
  }

  /** The drafts for all uses together. */
  of(used: readonly Used[]): readonly Draft[] {
    return this.bound([...this.#paths(used), ...this.#sockets(used), ...this.#own(used)])
  }

  /** The drafts that cover exactly this use; none if it is not wanted, or if no entry can express it. */
  exactly({ need, file }: Used): readonly Draft[] {
    const users = new Set([file.file])
    if (!this.isWanted({ need, file })) return []
    if (need.kind === 'path') return this.#drafts(need.list, [{ path: need.path, shape: shapeOf(need), users }])
    const entry = need.kind === 'socket' ? addressEntry(need, this.places) : undefined
    return need.kind === 'socket' && entry !== undefined ? [{ list: need.request.access, entry, users }] : []
  }

  /** The drafts without duplicates and without those that would stop the next run. */
  bound(drafts: readonly Draft[]): readonly Draft[] {
    return merged(drafts).filter((draft) => this.covering.binds(draft))
  }

  /** The entry for one need, regardless of others. */
  entryFor(need: Exclude<Need, { kind: 'look' | 'tmp' }>): string | undefined {
    if (need.kind === 'socket') return addressEntry(need, this.places)
    return this.#spelled({ path: this.#pathOf(need), shape: shapeOf(need) }, need.list)
  }

  /** The path that the next run will find. */
  #pathOf(need: Extract<Need, { kind: 'path' | 'look' }>): BytePath {
    const stable = stablePath(need.path, { isGone: (at) => this.world.lookup(at).kind === 'missing', isKept: isSecret })
    return need.kind === 'path' && need.link ? asGlob(stable) : stable
  }

  #paths(used: readonly Used[]): readonly Draft[] {
    const items: Record<PathList, Item[]> = { list: [], read: [], write: [], exec: [] }
    const dangerous: Draft[] = []
    for (const { need, file } of used) {
      if (need.kind !== 'path' && need.kind !== 'look') continue
      const users = new Set([file.file])
      const list = listOf(need)
      const path = this.#pathOf(need)
      const shape = shapeOf(need)
      const danger = this.dangerOf({ need, file })
      if (danger === undefined) {
        const program = list === 'exec' ? this.#program(need) : undefined
        if (program === undefined) items[list].push({ path, shape, users })
        else dangerous.push({ list, entry: program, users })
      } else if (this.acceptDangerous && need.kind === 'path') {
        dangerous.push({ list, entry: this.#spelled({ path, shape }, list), users, why: `DANGEROUS: ${danger}` })
      }
    }
    const written = this.#collapsed('write', items.write)
    // `write` includes reading.
    const read = this.#collapsed(
      'read',
      items.read.filter((item) => !isCovered(item, written)),
    )
    const readable = read.filter((item) => !isCovered(item, written))
    const listed = items.list.filter((item) => !isCovered(item, [...written, ...readable]))
    return [
      ...withoutRepeated(dangerous),
      ...this.#drafts('list', this.#listed(listed)),
      ...this.#drafts('write', written),
      ...this.#drafts('read', readable),
      ...this.#drafts('exec', items.exec),
    ]
  }

  /**
   * The short form of the items. Those of a single test file are shortened with everything below a directory, and where
   * directories are alike; those of several, only side by side in one directory.
   */
  #collapsed(list: 'read' | 'write', items: readonly Item[]): readonly Item[] {
    const rules = (counts: 'deep' | 'direct', used: readonly Item[]) =>
      collapseRules(list, counts, used, this.places, this.world)
    const used = ofEach(items)
    const each = [...used.values()].flatMap((own) => collapse(own, rules('deep', own)))
    const mayStandFor = alikeRule(list, this.places, this.world)
    return [...ofEach(collapse(each, rules('direct', items)))].flatMap(([file, own]) =>
      alike(own, { mayStandFor, mayTree: rules('deep', used.get(file) ?? []).mayTree }),
    )
  }

  /** Of an entry of `list` the slash means no tree: it shows nothing of the directories below. */
  #listed(items: readonly Item[]): readonly Item[] {
    const rules = { mayStandFor: alikeRule('list', this.places, this.world), mayTree: () => false }
    return [...ofEach(items).values()]
      .flatMap((own) =>
        alike(
          own.map((item) => ({ ...item, shape: 'file' as const })),
          rules,
        ),
      )
      .map((item) => ({ ...item, shape: 'tree' }))
  }

  #program(need: Need): string | undefined {
    if (need.kind !== 'path') return undefined
    return programName(
      { searchPath: this.recording.searchPath, ...(need.asked === undefined ? {} : { asked: need.asked }) },
      need.request,
    )
  }

  #drafts(list: PathList, items: readonly Item[]): readonly Draft[] {
    return items.map((item) => {
      const draft = { list, entry: this.#spelled(item, list), users: item.users }
      const without = this.#exclusionsOf(item, list)
      return without.length === 0 ? draft : { ...draft, without }
    })
  }

  /**
   * Exclusions for an item that covers more than one name: secrets that no test asked for, whether or not they exist
   * yet.
   */
  #exclusionsOf({ path, shape }: Item, list: PathList): readonly string[] {
    if (list === 'exec' || list === 'list' || !this.#isBroad({ path, shape })) return []
    const tops = [this.places.root, this.places.workspace].map((dir) => bytePath(dir))
    const others = (shape === 'tree' ? secretPlacesIn(path) : []).filter((place) => place !== path)
    const git = tops.map((top) => rawPath(`${top === '/' ? '' : top}/.git/config`)).filter((at) => isWithin(at, path))
    const places = [...new Set([...(shape === 'tree' ? git : []), ...others])]
    const spelled = places.map((place) => `!${this.#spelled({ path: place, shape: this.#shapeOf(place) }, list)}`)
    return [`!${SECRETS}`, ...spelled.filter((entry) => this.covering.binds({ list, entry }))]
  }

  /**
   * True if an item could cover a secret. A directory that a test created, and that no longer exists after the run,
   * holds none.
   */
  #isBroad({ path, shape }: Pick<Item, 'path' | 'shape'>): boolean {
    if (shape === 'tree') return path.startsWith('/proc/') ? false : !this.#isOwn(path)
    const at = path.lastIndexOf('/') + 1
    const name = path.slice(at)
    const isInAny = path.slice(0, at).includes(ANY) && !this.#isOwn(path)
    return isInAny || (name.includes(ANY) && mayNameSecret(asEntry(name)))
  }

  #isOwn(path: BytePath): boolean {
    return path.includes(ANY)
      ? thereBy(path, this.world.names).length === 0
      : this.world.lookup(path).kind === 'missing'
  }

  #shapeOf(path: BytePath): Item['shape'] {
    return this.world.lookup(path).kind === 'dir' ? 'tree' : 'file'
  }

  #spelled({ path, shape }: Pick<Item, 'path' | 'shape'>, list: PathList): string {
    const entry = spell(this.places, path, shape === 'tree' ? '/' : '')
    return list === 'exec' && !entry.includes('/') ? `./${entry}` : entry
  }

  #socketDanger(need: SocketNeed): string | undefined {
    const { request, host } = need
    if (host === undefined) return socketDanger(request.address, request.access, this.places)
    // Every address that the name ever led to counts, because the entry opens all of them.
    const led = this.covering.addresses.get(host.name.toLowerCase()) ?? []
    return (
      led.map((address) => socketDanger(address, request.access, this.places)).find((why) => why !== undefined) ??
      dangerOfEntry(request.access, hostEntry(host, request), this.places)
    )
  }

  #sockets(used: readonly Used[]): readonly Draft[] {
    const inet = new Map<string, InetUse>()
    const keyed = used.flatMap(({ need, file }) =>
      need.kind === 'socket' ? [{ need, file, key: JSON.stringify([need.request, need.host]) }] : [],
    )
    for (const { need, key } of keyed) {
      const {
        request: { access, address },
        host,
      } = need
      if (address.family === 'inet' && this.#socketDanger(need) === undefined)
        inet.set(key, { access, address, ...(host === undefined ? {} : { host }) })
    }
    const entries = inetEntries([...inet.values()])
    return keyed.flatMap(({ need, file, key }): Draft[] => {
      const why = this.#socketDanger(need)
      const use = inet.get(key)
      const entry = (use === undefined ? undefined : entries.get(use)) ?? addressEntry(need, this.places)
      if (entry === undefined || (why !== undefined && !this.acceptDangerous)) return []
      return [
        {
          list: need.request.access,
          entry,
          users: new Set([file.file]),
          ...(why !== undefined
            ? { why: `DANGEROUS: ${why}` }
            : need.host?.port === '*'
              ? { why: ONLY_LOOKED_UP }
              : {}),
        },
      ]
    })
  }

  /**
   * Drafts for the private temporary directory. They grant writing, because everything that is read there was written
   * there.
   */
  #own(used: readonly Used[]): readonly Draft[] {
    return used.flatMap(({ need, file }) =>
      need.kind === 'tmp'
        ? [
            {
              list: need.list === 'exec' ? ('exec' as const) : ('write' as const),
              entry: '<tmp>/',
              users: new Set([file.file]),
            },
          ]
        : [],
    )
  }
}

/** Without those that a tree of the same danger covers. */
function withoutRepeated(dangerous: readonly Draft[]): readonly Draft[] {
  const isRepeated = ({ list, entry, why, users }: Draft): boolean =>
    dangerous.some(
      (other) =>
        other.list === list &&
        other.why === why &&
        other.entry.endsWith('/') &&
        entry !== other.entry &&
        entry.startsWith(other.entry) &&
        [...users].every((user) => other.users.has(user)),
    )
  return dangerous.filter((draft) => !isRepeated(draft))
}

type PathNeed = Extract<Need, { kind: 'path' | 'look' }>

/** The list for a need. A directory that was only looked at becomes visible by `list`. */
function listOf(need: PathNeed): PathList {
  if (need.kind === 'path') return need.list
  return need.directory ? 'list' : 'read'
}

function shapeOf(need: PathNeed): Item['shape'] {
  return listOf(need) === 'list' || (need.kind === 'path' && need.tree) ? 'tree' : 'file'
}

/** The items of each test file, without duplicates and with this one user. */
function ofEach(items: readonly Item[]): ReadonlyMap<string, readonly Item[]> {
  const files = [...new Set(items.flatMap(({ users }) => [...users]))]
  return new Map(
    files.map((file) => {
      const own = items.filter(({ users }) => users.has(file))
      const users = new Set([file])
      return [file, [...new Map(own.map((item) => [item.shape + item.path, { ...item, users }])).values()]]
    }),
  )
}

function isCovered(item: Item, by: readonly Item[]): boolean {
  return by.some(
    ({ path, shape, users }) =>
      [...item.users].every((user) => users.has(user)) &&
      (shape === 'tree' ? isBelow(item.path, path) : item.shape === 'file' && standsFor(path, item.path)),
  )
}

/** True for a path below those that another, with or without ANY, stands for. */
function isBelow(path: BytePath, tree: BytePath): boolean {
  const names = namesOf(path)
  const depth = namesOf(tree).length
  return names.length >= depth && standsFor(tree, rawPath(`/${names.slice(0, depth).join('/')}`))
}
