/** What belongs to the corpus, by the names that `--only` takes. */
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const corpus = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'fixtures/escapes')
/** Those of the group `vitest` need a Vitest worker around them. */
export const GROUPS = ['filter', 'races', 'paths', 'sockets', 'processes', 'manifest', 'resources']

export const programsOf = (...groups) =>
  groups.flatMap((group) =>
    readdirSync(join(corpus, group))
      .filter((name) => name.endsWith('.mjs'))
      .sort()
      .map((name) => `${group}/${basename(name, '.mjs')}`),
  )
