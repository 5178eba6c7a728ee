/** Shortens a list of paths as a person would, with trees and globs. */
import { rawPath, type BytePath } from '../../policy/request.js'
import { ANY } from '../../policy/spell.js'

/** A future entry: a path (ANY stands for any text in a name), and the test files that need it. */
export interface Item {
  readonly path: BytePath
  readonly shape: 'file' | 'tree'
  readonly users: ReadonlySet<string>
}

export interface CollapseRules {
  /** `deep`: everything below a directory counts. `direct`: only the files in the directory itself count. */
  readonly counts: 'deep' | 'direct'
  /** True if a tree may replace paths in it, although no test asked for the tree itself. */
  readonly mayTree: (dir: BytePath) => boolean
  /** True if `*.ext` in a directory may replace paths. */
  readonly mayGlob: (dir: BytePath, extension: string) => boolean
}

/** From this number of paths on, a person would stop listing them. */
export const MANY = 3

interface TreeNode {
  readonly children: Map<string, TreeNode>
  own: Item | undefined
}

/** Shortens the list. The result covers every item, and nothing else except what the rules permit. */
export function collapse(items: readonly Item[], rules: CollapseRules): readonly Item[] {
  const top = emptyNode()
  for (const item of items) add(top, item)
  return visit(top, rawPath('/'), rules)
}

function emptyNode(): TreeNode {
  return { children: new Map(), own: undefined }
}

function add(top: TreeNode, item: Item): void {
  let node = top
  for (const name of namesOf(item.path)) {
    const child = node.children.get(name) ?? emptyNode()
    node.children.set(name, child)
    node = child
  }
  const { own } = node
  node.own =
    own === undefined
      ? item
      : { path: item.path, shape: own.shape === 'tree' ? 'tree' : item.shape, users: union([own, item]) }
}

function visit(node: TreeNode, path: BytePath, rules: CollapseRules): readonly Item[] {
  const { own } = node
  const children = [...node.children].flatMap(([name, child]) => visit(child, join(path, name), rules))
  if (own?.shape === 'tree') return [{ path, shape: 'tree', users: union([own, ...children]) }]
  const all = own === undefined ? children : [own, ...children]
  const counted =
    rules.counts === 'deep'
      ? all
      : all.filter((item) => item.shape === 'file' && join(path, nameOf(item.path)) === item.path)
  const wanted = counted.length >= MANY || children.some((child) => nameOf(child.path) === ANY)
  if (wanted && node.children.size > 0 && rules.mayTree(path)) return [{ path, shape: 'tree', users: union(all) }]
  return globbed(all, path, rules)
}

/** Replaces files of one kind by a glob, in a directory that may not be granted as a whole. */
function globbed(items: readonly Item[], dir: BytePath, { mayGlob }: CollapseRules): readonly Item[] {
  const groups = groupBy(items, dir)
  return [...groups].flatMap(([extension, group]) => {
    if (extension === '' || group.length < MANY || !mayGlob(dir, extension)) return group
    return [{ path: join(dir, ANY + extension), shape: 'file' as const, users: union(group) }]
  })
}

// Node 20 has no Map.groupBy.
function groupBy(items: readonly Item[], dir: BytePath): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) groups.set(extensionIn(item, dir), [...(groups.get(extensionIn(item, dir)) ?? []), item])
  return groups
}

/** The extension of a file in the directory itself; '' for any other item. */
function extensionIn({ path, shape }: Item, dir: BytePath): string {
  const name = nameOf(path)
  return shape === 'file' && join(dir, name) === path ? (/^[^.].*(\.[^.\0]+)$/.exec(name)?.[1] ?? '') : ''
}

export function union(items: readonly Item[]): ReadonlySet<string> {
  return new Set(items.flatMap(({ users }) => [...users]))
}

export function namesOf(path: BytePath): readonly string[] {
  return path === '/' ? [] : path.slice(1).split('/')
}

function nameOf(path: BytePath): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function join(dir: BytePath, name: string): BytePath {
  return rawPath(dir === '/' ? `/${name}` : `${dir}/${name}`)
}
