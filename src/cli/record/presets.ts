/** Replaces the entries of a preset by its name. Pure. */
import type { WrittenKey } from '../../policy/lists.js'
import { parsePreset } from '../../policy/presets.js'
import type { Draft } from './share.js'

/** The entries by which the use of each preset is recognised. */
const marks: { readonly [name: string]: (draft: Draft) => boolean } = {
  git: ({ list, entry }) => list === 'exec' && entry === 'git',
  npm: ({ list, entry }) => list === 'exec' && (entry === 'npm' || entry === 'npx'),
  fontconfig: ({ list, entry }) => list === 'read' && entry.startsWith('/etc/fonts/'),
  postgres: ({ list, entry }) => list === 'connect' && /:5432$|\/\.s\.PGSQL\.5432$/.test(entry),
}

/** The fewest entries that a preset replaces. A single entry is as short, and opens less. */
const FEWEST = 2

/** Applies the presets. `isNeeded`: true if the tests fail without a dangerous entry, which a preset may refuse. */
export function withPresets(drafts: readonly Draft[], isNeeded: (entry: string) => boolean): readonly Draft[] {
  const databases = [...new Set(drafts.flatMap((draft) => databaseOf(draft) ?? []))]
  const named = [
    ...Object.entries(marks).map(([name, isMark]) => ({ name, isMark })),
    ...databases.map((file) => ({ name: `sqlite:${file}`, isMark: (draft: Draft) => databaseOf(draft) === file })),
  ]
  return named.reduce<readonly Draft[]>((all, { name, isMark }) => withPreset(all, name, isMark, isNeeded), drafts)
}

function withPreset(
  drafts: readonly Draft[],
  name: string,
  isMark: (draft: Draft) => boolean,
  isNeeded: (entry: string) => boolean,
): readonly Draft[] {
  const users = new Set(drafts.filter(isMark).flatMap((draft) => [...draft.users]))
  const parsed = parsePreset(name)
  if (users.size === 0 || !parsed.ok) return drafts
  const { lists } = parsed.value
  const entriesOf = (list: WrittenKey): readonly string[] =>
    list === 'use' ? [] : (lists[list] ?? []).map((entry) => (typeof entry === 'string' ? entry : entry.entry))
  if (entriesOf('deny').some(isNeeded)) return drafts
  const isIn = ({ list, entry, users: own }: Draft): boolean =>
    [...own].every((user) => users.has(user)) &&
    // `read` includes the names.
    [...entriesOf(list), ...(list === 'list' ? entriesOf('read') : [])].some(
      (one) => one === localhost(entry) || (one.endsWith('/') && entry.startsWith(one)),
    )
  const stoodFor = drafts.filter(isIn)
  if (stoodFor.length < FEWEST) return drafts
  return [...drafts.filter((draft) => !isIn(draft)), { list: 'use', entry: name, users }]
}

/** The database file behind a file that SQLite creates beside it. */
function databaseOf({ list, entry }: Draft): string | undefined {
  if (list !== 'write' || /[*?[\]{}]|^<tmp>/.test(entry)) return undefined
  return /^(.+)-(?:journal|wal|shm)$/.exec(entry)?.[1]
}

function localhost(entry: string): string {
  return entry.replace(/^(tcp|udp):(?:127\.0\.0\.1|\[::1\]):/, '$1:localhost:')
}
