/** The reading of names in vite-node, the module server of Vitest 3: packages/vite-node/src/utils.ts. */
import { existsSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, resolve } from 'node:path'
import { pathOfUrl, splitId } from './module-id.js'

/** The result of vite-node's normalizeModuleId, applied until nothing changes, because Vitest applies it once more. */
export function moduleIdOf(given: string): string {
  let id = given
  for (let next = step(id); next !== id; next = step(id)) id = next
  return id
}

function step(id: string): string {
  if (id.startsWith('file://')) return pathOfUrl(id) ?? id
  // Of Node's own modules alone, and of those only the ones that have no other name.
  if (isBuiltin(id) && !isBuiltin(id.replace(/^node:/, ''))) return id
  return id
    .replace(/\\/g, '/')
    .replace(/^\/@fs\//, '/')
    .replace(/^node:/, '')
    .replace(/^\/+/, '/')
}

interface PathOfId {
  /** True for a module of Node's own, which has no file. */
  readonly isBuiltin: boolean
  /** The file by whose name vite-node decides who loads the module. */
  readonly path: string
}

/** The file of the directory of optimized packages that vite-node waits for: _fetchModule. */
export function belowRoot(id: string, root: string): string {
  return isBelow(id, root) ? id : join(root, id)
}

function isBelow(id: string, root: string): boolean {
  return id.startsWith(root.endsWith('/') ? root : `${root}/`)
}

/** toFilePath, and the steps before it. */
export function pathOfId(id: string, root: string): PathOfId {
  const below = id.startsWith('/') && !isBelow(id, root) ? resolve(root, id.slice(1)) : id
  const path = below !== id && existsSync(splitId(below).path) ? below : id
  return { isBuiltin: isBuiltin(id), path }
}
