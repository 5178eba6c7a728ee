/** Directories of a monorepo that have a config of Vite's or Vitest's own. */
import { readdirSync, type Dirent } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../errors.js'

const DEEPEST = 4
/** Directories that are looked into. Further ones need entries of their own. */
const MOST = 2000

/** Below `root`, without it. Nothing hidden and nothing in `node_modules`. */
export function subProjects(root: string): readonly string[] {
  const found: string[] = []
  let level = [root]
  let seen = 0
  for (let depth = 0; depth <= DEEPEST; depth++) {
    level = level.flatMap((dir) => {
      if (++seen > MOST) return []
      const entries = entriesOf(dir)
      if (dir !== root && entries.some((entry) => entry.isFile() && isConfig(entry.name))) found.push(dir)
      return entries
        .filter((entry) => entry.isDirectory() && isLookedInto(entry.name))
        .map(({ name }) => join(dir, name))
    })
  }
  return found
}

export function isConfig(name: string): boolean {
  return /^vi(?:te|test)\.config\.[cm]?[jt]s$/.test(name)
}

function isLookedInto(name: string): boolean {
  return !name.startsWith('.') && name !== 'node_modules'
}

function entriesOf(dir: string): readonly Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
  } catch (error) {
    // It is not there any more, or nobody may list it.
    if (codeOf(error) === undefined) throw error
    return []
  }
}
