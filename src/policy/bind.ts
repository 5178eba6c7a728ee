import { ManifestError, type ManifestProblem } from '../errors.js'
import type { BindContext } from './bind-paths.js'
import { filesFor } from './file-globs.js'
import { bindList, coveredBy, isOwn, listKeys, type WrittenKey } from './lists.js'
import { manifestsOf, type ParsedManifest, type ParsedOptions } from './manifest.js'
import { showPlace } from './problems.js'
import { bindResource, type Resource } from './resources.js'
import type { RuleList } from './rules.js'
import type { SocketRule } from './sockets.js'

export type { BindContext, Looked, LinkTrail } from './bind-paths.js'

/** A manifest bound to this machine, ready for `PolicyData`. */
export interface Binding {
  readonly lists: readonly RuleList[]
  readonly sockets: readonly SocketRule[]
  readonly denied: RuleList
  readonly resources: readonly Resource[]
  /** Sentences about entries that grant nothing on this machine. */
  readonly warnings: readonly string[]
}

/**
 * Looks up each entry of one manifest. `at` is the manifest's place in the config. Problems are returned, not thrown.
 */
export function bindManifest(
  manifest: ParsedManifest,
  context: BindContext,
  at = 'manifest',
): Binding & { readonly problems: readonly ManifestProblem[] } {
  const lists = listKeys.map((key) => bindList(key, manifest, context, at))
  const resources = manifest.resources.map((resource) =>
    bindResource(resource, context, placeOfResource(at, resource.name)),
  )
  return {
    lists: lists.map(({ paths }) => paths).filter((rules) => rules.length > 0),
    sockets: lists.flatMap(({ sockets }) => sockets),
    denied: lists.flatMap(({ denied }) => denied),
    resources: resources.flatMap(({ rules }) => rules),
    warnings: [...lists, ...resources].flatMap(({ warnings = [] }) => warnings),
    problems: [...lists, ...resources].flatMap(({ problems }) => problems),
  }
}

/**
 * Binds the manifest and those of `files` that apply to one test file (by its path relative to the root). Without a
 * test file it binds all of `files`, which finds every problem before the first test runs. Throws one ManifestError
 * with all problems.
 */
export function bindOptions(options: ParsedOptions, context: BindContext, testFile?: string): Binding {
  const files = testFile === undefined ? options.files : filesFor(options, testFile)
  const bindings = [
    bindManifest(options.manifest, context, showPlace(['manifest'], options.manifestFile)),
    ...files.map(({ glob, manifest, from }) => bindManifest(manifest, context, showPlace(['files', glob], from))),
  ]
  const problems = bindings.flatMap((binding) => binding.problems)
  if (problems.length > 0) throw new ManifestError(problems)
  return {
    lists: bindings.flatMap(({ lists }) => lists),
    sockets: bindings.flatMap(({ sockets }) => sockets),
    denied: bindings.flatMap(({ denied }) => denied),
    resources: bindings.flatMap(({ resources }) => resources),
    warnings: bindings.flatMap(({ warnings }) => warnings),
  }
}

/** One entry as written in the config or in the manifest file. */
export interface WrittenEntry {
  readonly list: WrittenKey | 'resources'
  /** The entry, or the name of a resource. */
  readonly source: string
  /** The entry's place, spelled as in `PathRule.at` and `Resource.at`. */
  readonly at: string
}

function placeOfResource(at: string, name: string): string {
  return `${at}.${showPlace(['resources', name])}`
}

/** All entries of the options, in the order in which they are written. */
export function writtenEntries(options: ParsedOptions): readonly WrittenEntry[] {
  const of = (manifest: ParsedManifest, at: string): WrittenEntry[] => [
    ...listKeys.flatMap((list) =>
      manifest[list].filter(isOwn).map(({ source }, index) => ({ list, source, at: `${at}.${list}[${index}]` })),
    ),
    ...manifest.use.map(({ source }, index) => ({ list: 'use' as const, source, at: `${at}.use[${index}]` })),
    ...manifest.resources.map(({ name }): WrittenEntry => ({
      list: 'resources',
      source: name,
      at: placeOfResource(at, name),
    })),
  ]
  return [
    ...of(options.manifest, showPlace(['manifest'], options.manifestFile)),
    ...options.files.flatMap(({ glob, manifest, from }) => of(manifest, showPlace(['files', glob], from))),
  ]
}

/** The host names in the options. The caller resolves them into `BindContext.addresses`. */
export function hostNamesOf(options: ParsedOptions): readonly string[] {
  const names = manifestsOf(options)
    .flatMap(coveredBy)
    .flatMap((covered) => (covered.kind === 'socket' ? [covered.grant.target] : []))
    .flatMap((target) => (target.family === 'inet' && target.host.kind === 'name' ? [target.host.name] : []))
  return [...new Set(names)]
}
