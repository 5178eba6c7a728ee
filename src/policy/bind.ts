import { ManifestError, type ManifestProblem } from '../errors.js'
import { bindExec, bindPath, type BindContext, type Bound } from './bind-paths.js'
import { bindSocket } from './bind-sockets.js'
import { filesFor } from './file-globs.js'
import { listKeys, type ListKey, type ParsedManifest, type ParsedOptions } from './manifest.js'
import { showPlace } from './problems.js'
import type { ParsedResource } from './resource-entries.js'
import { bindResource, type Resource } from './resources.js'
import type { RuleList } from './rules.js'
import type { SocketGrant } from './socket-grants.js'
import type { SocketRule } from './sockets.js'

export type { BindContext, Looked, Way } from './bind-paths.js'

/** What a manifest comes to on this machine: ready for `PolicyData`. */
export interface Binding {
  readonly lists: readonly RuleList[]
  readonly sockets: readonly SocketRule[]
  readonly resources: readonly Resource[]
}

/** Looks up each entry of one manifest. `at` is its place in the config. Problems are returned, not thrown. */
export function bindManifest(
  manifest: ParsedManifest,
  context: BindContext,
  at = 'manifest',
): Binding & { readonly problems: readonly ManifestProblem[] } {
  const problems: ManifestProblem[] = []
  const collect = <T>(bound: Bound<T>): readonly T[] => {
    problems.push(...bound.problems)
    return bound.rules
  }
  const each = <G, T>(key: keyof ParsedManifest, grants: readonly G[], bind: (grant: G, at: string) => Bound<T>): T[] =>
    grants.flatMap((grant, index) => collect(bind(grant, `${at}.${key}[${index}]`)))

  const lists = [
    each('read', manifest.read, (grant, place) => bindPath(grant, 'read', context, place)),
    each('write', manifest.write, (grant, place) => bindPath(grant, 'write', context, place)),
    each('exec', manifest.exec, (grant, place) => bindExec(grant, context, place)),
  ]
  const sockets = [
    each('connect', manifest.connect, (grant, place) => bindSocket(grant, 'connect', context, place)),
    each('listen', manifest.listen, (grant, place) => bindSocket(grant, 'listen', context, place)),
  ].flat()
  const resources = manifest.resources.flatMap((resource) =>
    collect(bindResource(resource, context, placeOfResource(at, resource.name))),
  )
  return { lists: lists.filter((rules) => rules.length > 0), sockets, resources, problems }
}

/**
 * Binds the manifest and the `files` that apply to one test file (by its path relative to the root); without a test
 * file all of `files`, which finds every problem before the first test runs. Throws one ManifestError for all of them.
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
    resources: bindings.flatMap(({ resources }) => resources),
  }
}

/** One entry as it stands in the config or its manifest file. */
export interface WrittenEntry {
  readonly list: ListKey | 'resources'
  /** The entry, or the name of a resource. */
  readonly source: string
  /** As `PathRule.at` and `Resource.at` say it. */
  readonly at: string
}

function placeOfResource(at: string, name: string): string {
  return `${at}.${showPlace(['resources', name])}`
}

/** All entries of the options, in the order in which they are written. */
export function writtenEntries(options: ParsedOptions): readonly WrittenEntry[] {
  const of = (manifest: ParsedManifest, at: string): WrittenEntry[] => [
    ...listKeys.flatMap((list) =>
      manifest[list].map(({ source }, index) => ({ list, source, at: `${at}.${list}[${index}]` })),
    ),
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

/** The host names that the options speak of, for the caller to resolve into `BindContext.addresses`. */
export function hostNamesOf(options: ParsedOptions): readonly string[] {
  const manifests = [options.manifest, ...options.files.map(({ manifest }) => manifest)]
  const names = manifests
    .flatMap(({ connect, listen, resources }) => [...connect, ...listen, ...resources.flatMap(socketGrantOf)])
    .flatMap(({ target }) => (target.family === 'inet' && target.host.kind === 'name' ? [target.host.name] : []))
  return [...new Set(names)]
}

function socketGrantOf({ use }: ParsedResource): readonly SocketGrant[] {
  return use.how === 'connect' || use.how === 'listen' ? [use.grant] : []
}

/** Whether any entry starts with a placeholder, so that its meaning differs between workers or test files. */
export function mentions(options: ParsedOptions, placeholder: 'tmp' | 'file'): boolean {
  const manifests = [options.manifest, ...options.files.map(({ manifest }) => manifest)]
  const sources = manifests.flatMap((manifest) => listKeys.flatMap((key) => manifest[key].map(({ source }) => source)))
  return sources.some((source) => source.includes(`<${placeholder}>`))
}
