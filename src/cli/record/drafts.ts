/** Entries to be: each as a person would write it, and who needs it. */
import { isWithin } from '../../policy/canonical.js'
import type { BytePath } from '../../policy/request.js'
import { spell, type Places } from '../../policy/spell.js'
import { programName } from '../../policy/suggest.js'
import type { RecordedFile } from '../../vitest/recording.js'
import { addressEntry, inetEntries, type InetUse } from './addresses.js'
import { collapseRules } from './collapse-rules.js'
import { collapse, type Item } from './collapse.js'
import type { Covering, Parts } from './covering.js'
import { isSecret, pathDanger, secretsIn, socketDanger } from './dangers.js'
import type { Need, PathList } from './needs.js'
import { merged, type Draft } from './share.js'
import { asGlob, stablePath } from './volatile.js'
import type { World } from './world.js'

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

  isWanted(need: Need): boolean {
    return this.acceptDangerous || dangerOf(need, this.places) === undefined
  }

  /** For all of them together. */
  of(used: readonly Used[]): readonly Draft[] {
    return this.bound([...this.#paths(used), ...this.#sockets(used), ...this.#own(used)])
  }

  /** Exactly for this one; none where nobody wants it, or nothing can say it. */
  exactly({ need, file }: Used): readonly Draft[] {
    const users = new Set([file.file])
    if (!this.isWanted(need)) return []
    if (need.kind === 'path')
      return this.#drafts(need.list, [{ path: need.path, shape: need.tree ? 'tree' : 'file', users }])
    const entry = need.kind === 'socket' ? addressEntry(need.request, need.inTmp, this.places) : undefined
    return need.kind === 'socket' && entry !== undefined ? [{ list: need.request.access, entry, users }] : []
  }

  /** Each once, and none that would stop the next run. */
  bound(drafts: readonly Draft[]): readonly Draft[] {
    return merged(drafts).filter((draft) => this.covering.binds(draft))
  }

  /** Alone, whatever else there is. */
  entryFor(need: Exclude<Need, { kind: 'look' | 'tmp' }>): string | undefined {
    if (need.kind === 'socket') return addressEntry(need.request, need.inTmp, this.places)
    return this.#spelled({ path: this.#pathOf(need), shape: need.tree ? 'tree' : 'file' }, need.list)
  }

  /** As the next run will find it. */
  #pathOf(need: Extract<Need, { kind: 'path' | 'look' }>): BytePath {
    const stable = stablePath(need.path, { isGone: (at) => this.world.lookup(at).kind === 'missing', isKept: isSecret })
    return need.kind === 'path' && need.link ? asGlob(stable) : stable
  }

  #paths(used: readonly Used[]): readonly Draft[] {
    const items: Record<PathList, Item[]> = { read: [], write: [], exec: [] }
    const dangerous: Draft[] = []
    for (const { need, file } of used) {
      if (need.kind !== 'path' && need.kind !== 'look') continue
      const users = new Set([file.file])
      const list = need.kind === 'look' ? 'read' : need.list
      const path = this.#pathOf(need)
      const shape = (need.kind === 'look' ? need.directory : need.tree) ? 'tree' : 'file'
      const danger = dangerOf(need, this.places)
      if (danger === undefined) {
        const program = list === 'exec' ? this.#program(need) : undefined
        if (program === undefined) items[list].push({ path, shape, users })
        else dangerous.push({ list, entry: program, users })
      } else if (this.acceptDangerous && need.kind === 'path') {
        dangerous.push({ list, entry: this.#spelled({ path, shape }, list), users, why: `DANGEROUS: ${danger}` })
      }
    }
    const written = this.#collapsed('write', items.write)
    // Writing includes reading.
    const read = this.#collapsed(
      'read',
      items.read.filter((item) => !isCovered(item, written)),
    )
    return [
      ...dangerous,
      ...this.#drafts('write', written),
      ...this.#drafts(
        'read',
        read.filter((item) => !isCovered(item, written)),
      ),
      ...this.#drafts('exec', items.exec),
    ]
  }

  /** What one test file uses is made short by itself; of what several use, only what lies side by side. */
  #collapsed(list: 'read' | 'write', items: readonly Item[]): readonly Item[] {
    const rules = (counts: 'deep' | 'direct') => collapseRules(list, counts, items, this.places, this.world)
    const files = [...new Set(items.flatMap(({ users }) => [...users]))]
    const each = files.flatMap((file) =>
      collapse(
        items.filter(({ users }) => users.has(file)),
        rules('deep'),
      ),
    )
    return collapse(each, rules('direct'))
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
      // A tree that a test asked for as a whole: what no test asked for in it stays out.
      const secrets = item.shape === 'tree' ? secretsIn(item.path, this.world.names) : []
      const draft = { list, entry: this.#spelled(item, list), users: item.users }
      if (secrets === 'unknown') return { ...draft, why: 'too large to be searched for secrets: look yourself' }
      const without = secrets
        .map((path) => `!${this.#spelled({ path, shape: this.#shapeOf(path) }, list)}`)
        .filter((entry) => this.covering.binds({ list, entry }))
      return without.length === 0 ? draft : { ...draft, without }
    })
  }

  #shapeOf(path: BytePath): Item['shape'] {
    return this.world.lookup(path).kind === 'dir' ? 'tree' : 'file'
  }

  #spelled({ path, shape }: Pick<Item, 'path' | 'shape'>, list: PathList): string {
    const entry = spell(this.places, path, shape === 'tree' ? '/' : '')
    return list === 'exec' && !entry.includes('/') ? `./${entry}` : entry
  }

  #sockets(used: readonly Used[]): readonly Draft[] {
    const inet = new Map<string, InetUse>()
    const keyed = used.flatMap(({ need, file }) =>
      need.kind === 'socket' ? [{ need, file, key: JSON.stringify(need.request) }] : [],
    )
    for (const {
      need: {
        request: { access, address },
      },
      key,
    } of keyed)
      if (address.family === 'inet') inet.set(key, { access, address })
    const safe = [...inet].filter(([, { address }]) => socketDanger(address) === undefined)
    const entries = inetEntries(safe.map(([, use]) => use))
    return keyed.flatMap(({ need: { request, inTmp }, file, key }): Draft[] => {
      const why = socketDanger(request.address)
      const use = inet.get(key)
      const entry = (use === undefined ? undefined : entries.get(use)) ?? addressEntry(request, inTmp, this.places)
      if (entry === undefined || (why !== undefined && !this.acceptDangerous)) return []
      return [
        {
          list: request.access,
          entry,
          users: new Set([file.file]),
          ...(why === undefined ? {} : { why: `DANGEROUS: ${why}` }),
        },
      ]
    })
  }

  /** The private temporary directory: what reads there has been written there. */
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

export function dangerOf(need: Need, places: Places): string | undefined {
  switch (need.kind) {
    case 'tmp':
      return undefined
    case 'socket':
      return need.inTmp ? undefined : socketDanger(need.request.address)
    case 'look':
      return pathDanger(need.path, 'read', need.directory, places)
    case 'path':
      return pathDanger(need.path, need.list, need.tree, places)
    default:
      return need satisfies never
  }
}

function isCovered(item: Item, by: readonly Item[]): boolean {
  return by.some(
    ({ path, shape, users }) =>
      [...item.users].every((user) => users.has(user)) &&
      (shape === 'tree' ? isWithin(item.path, path) : item.path === path && item.shape === 'file'),
  )
}
