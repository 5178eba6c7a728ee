/**
 * The catalogue of dangerous grants: those that no manifest should have unless somebody has thought about them.
 * Violations, the block at the end of a run, `explain`, `record` and the report all use it. Each row has its reason.
 * Pure.
 */
import { isWithin } from './canonical.js'
import { compileGlob, compileTreeGlob, hasMagic, segmentsOf } from './glob.js'
import type { WrittenKey } from './lists.js'
import { LIST_FOR } from './manifest.js'
import { parsePathGrant, SECRET_NAMES, type PathGrant } from './path-grants.js'
import { parsePreset } from './presets.js'
import { bytePath, rawPath, showPath, type AccessRequest, type BytePath } from './request.js'
import { hostDanger, socketDanger, socketGlobDanger } from './socket-dangers.js'
import { parseSocketGrant } from './socket-grants.js'
import type { Places } from './spell.js'

interface SecretNames {
  readonly covers: (path: string) => boolean
  readonly why: string
}

let known: readonly SecretNames[] | undefined

/** The names of secrets, compiled on first use: most runs never ask for them. */
function secretNames(): readonly SecretNames[] {
  known ??= SECRET_NAMES.map(({ names, why }) => ({
    // Everything below a secret's name is secret, too, as it is for an exclusion.
    covers: compileTreeGlob(`**/{${names.join(',')}}`),
    why,
  }))
  return known
}

const systemPlaces: readonly { readonly top: BytePath; readonly why: string }[] = [
  ...[
    'shadow',
    'shadow-',
    'gshadow',
    'gshadow-',
    'sudoers',
    'sudoers.d',
    'ssh',
    'ssl/private',
    'pki/tls/private',
    'krb5.keytab',
    'letsencrypt',
    'kubernetes',
    'rancher',
    'wireguard',
    'NetworkManager/system-connections',
  ].map((name) => ({ top: bytePath(`/etc/${name}`), why: 'secrets of this machine' })),
  ...['/run/secrets', '/var/run/secrets', '/run/credentials', '/var/lib/cloud'].map((top) => ({
    top: bytePath(top),
    why: 'secrets of this container or service',
  })),
  ...['docker', 'containerd', 'containers', 'kubelet'].map((name) => ({
    top: bytePath(`/var/lib/${name}`),
    why: 'the files of containers',
  })),
  ...['/run/user', '/var/run/user'].map((top) => ({ top: bytePath(top), why: 'it belongs to your session' })),
  ...['/dev/mem', '/dev/kmem', '/dev/port', '/dev/kmsg', '/proc/kcore', '/proc/kmsg', '/dev/disk'].map((top) => ({
    top: bytePath(top),
    why: 'the memory or the disks of this machine',
  })),
  ...['/dev/input', '/dev/uinput', '/dev/snd'].map((top) => ({
    top: bytePath(top),
    why: 'your keyboard and microphone',
  })),
]

/** The reason why a name is that of a secret, wherever it lies; undefined for any other name. */
function secretOf(path: BytePath): string | undefined {
  return secretNames().find(({ covers }) => covers(path.slice(1)))?.why
}

function systemOf(path: BytePath): string | undefined {
  return systemPlaces.find(({ top }) => isWithin(path, top))?.why
}

/**
 * The danger of granting a request, if there is one. `tree`: with everything below it. A worker's own temporary
 * directory is never dangerous.
 */
export function dangerOfRequest(request: AccessRequest, places: Places, tree: boolean): string | undefined {
  const { tmp } = places
  const path = request.kind === 'path' ? request.path : request.address.family === 'unix' ? request.address.path : '/'
  if (tmp !== undefined && isWithin(rawPath(path), bytePath(tmp))) return undefined
  return request.kind === 'socket'
    ? socketDanger(request.address, request.access, places)
    : pathDanger(request.path, LIST_FOR[request.access], tree, places)
}

/**
 * The danger of an entry as it is written, if there is one. A glob is judged by its fixed part and by its last name.
 */
export function dangerOfEntry(list: WrittenKey, entry: string, places: Places): string | undefined {
  if (entry.startsWith('!') || list === 'deny') return undefined
  if (list === 'use') return dangerOfPreset(entry, places)
  if (list === 'connect' || list === 'listen') return dangerOfAddressEntry(list, entry, places)
  const parsed = parsePathGrant(entry)
  if (!parsed.ok || (list === 'exec' && !entry.includes('/')))
    return list === 'exec' ? programDanger(bytePath(`/${entry}`)) : undefined
  const { anchor, path, shape, rest } = parsed.value
  if (anchor === 'tmp') return dangerOfTmp(path)
  if (anchor === 'file') return undefined
  const start = anchor === '/' ? '/' : bytePath(places[anchor])
  const below = [path, rest?.replace(/^(?:.*\/)?(?=[^/]*$)/, '') ?? ''].filter((part) => part !== '').join('/')
  const whole = normal(`${start}/${below}`)
  const base = rest === undefined ? whole : normal(`${start}/${path}`)
  return (
    pathDanger(whole, list, shape === 'tree', places) ??
    pathDanger(base, list, shape !== 'file', places) ??
    (rest === undefined ? undefined : secretOfGlob(rest)) ??
    (list === 'write' && shape !== 'file' ? dangerOfCovered({ base, rest }, places) : undefined)
  )
}

/** The reason why a glob is for secrets: a name in it is that of one, and not of just any file. */
function secretOfGlob(rest: string): string | undefined {
  for (const segment of segmentsOf(rest)) {
    // A group with slashes in it is taken for the names in it.
    const names = segment.includes('/') ? segment.split(/[{}(),|/]/).filter((name) => !hasMagic(name)) : [segment]
    for (const name of names.filter((one) => one !== '')) {
      const matches = compileGlob(name)
      const found = matches('x')
        ? undefined
        : SECRET_NAMES.find(({ examples: some }) => some.some((one) => matches(one)))
      if (found !== undefined) return found.why
    }
  }
  return undefined
}

/** The danger of writing one of the usual files that others load or run, where a tree or glob of the project covers one. */
function dangerOfCovered(
  { base, rest }: { readonly base: BytePath; readonly rest: string | undefined },
  places: Places,
): string | undefined {
  const matches = rest === undefined ? () => true : compileGlob(rest)
  return [places.root, places.workspace]
    .flatMap((top) => usuallyRun.map((name) => rawPath(`${bytePath(top)}/${name}`)))
    .filter((path) => isWithin(path, base) && matches(path.slice(base.length + 1)))
    .map((path) => pathDanger(path, 'write', false, places))
    .find((danger) => danger !== undefined)
}

/**
 * The danger of a preset. Paths in a home directory are no danger here, because the preset's summary names them; a
 * grant that gives the machine away is, and so is a path that the user has put in.
 */
function dangerOfPreset(entry: string, places: Places): string | undefined {
  const parsed = parsePreset(entry)
  if (!parsed.ok) return undefined
  const { connect = [], exec = [], write = [] } = parsed.value.lists
  const [addresses, programs] = [connect, exec].map((entries) => entries.filter((one) => typeof one === 'string'))
  const dangers = [
    ...(addresses ?? []).map((one) => dangerOfEntry('connect', one, places)),
    ...write.flatMap((one) => (typeof one === 'string' ? [dangerOfEntry('write', one, places)] : [])),
    ...(programs ?? []).filter((one) => !one.includes('/')).map((one) => dangerOfEntry('exec', one, places)),
  ]
  return dangers.find((danger) => danger !== undefined)
}

function normal(path: string): BytePath {
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return rawPath(`/${names.join('/')}`)
}

/** A path below `<tmp>/` is never dangerous. */
function dangerOfTmp(path: string): string | undefined {
  return path.startsWith('..') ? 'it leads out of the temporary directory' : undefined
}

function dangerOfAddressEntry(access: 'connect' | 'listen', entry: string, places: Places): string | undefined {
  const parsed = parseSocketGrant(entry, access)
  if (!parsed.ok) return undefined
  const { target } = parsed.value
  if (target.family === 'abstract') return socketDanger(target, access, places)
  if (target.family === 'unix') return dangerOfUnixEntry(target.path, access, places)
  return hostDanger(access, target.host, target.ports)
}

function dangerOfUnixEntry(
  { anchor, path, rest }: PathGrant,
  access: 'connect' | 'listen',
  places: Places,
): string | undefined {
  if (anchor === 'tmp') return dangerOfTmp(path)
  // Of a test file's directory nobody knows how deep it lies: what leads up out of it may lead to the top.
  const start = anchor === '/' ? '/' : anchor === 'file' ? (path.startsWith('..') ? '/' : places.root) : places[anchor]
  const base = normal(`${start === '/' ? '/' : bytePath(start)}/${path}`)
  return rest === undefined
    ? socketDanger({ family: 'unix', path: base }, access, places)
    : socketGlobDanger({ base, rest }, access, places)
}

/** The danger of an access to this path, if there is one. `tree`: the entry covers everything below the path. */
export function pathDanger(
  path: BytePath,
  list: WrittenKey,
  tree: boolean,
  places: Places,
  // `own`: the path lies in a directory that the test made and removed again, so its name says nothing.
  whose: 'own' | 'found' = 'found',
): string | undefined {
  const secret = whose === 'own' ? undefined : secretOf(path)
  if (secret !== undefined) return secret
  const system = systemOf(path)
  if (system !== undefined) return system
  if (/^\/dev\/(?:sd|nvme|vd|xvd|dm-|loop|md)/.test(path)) return 'the disks of this machine'
  if (/^\/proc\/(?!self\/|thread-self\/)[^/]+\/(?:task\/[^/]+\/)?(?:environ|mem|maps|root|cwd|fd|auxv)/.test(path))
    return "another process's memory, files or environment"
  // `list` shows names only, and the names in a home directory or in `/` tell little.
  if (list === 'list') return undefined
  const below = [places.root, places.workspace].map((dir) => bytePath(dir)).find((dir) => isWithin(path, dir))
  const own = below !== undefined
  if (!own && tree && isAbove(path, places))
    return path === '/' ? 'the whole file system' : 'everything below it, your project and more'
  if (!own && tree && depth(path) < 2) return `all of ${showPath(path)}`
  // Node itself and its tools are often installed in the home directory, and running one reads nothing else there.
  const isRun = list === 'exec' && !tree
  if (!own && !isRun && places.home !== '/' && isWithin(path, bytePath(places.home)))
    return 'it lies in your home directory'
  if (
    !own &&
    !isRun &&
    /^\/(?:root|home\/(?!linuxbrew(?:\/|$))[^/]+)(?:\/|$)/.test(path) &&
    !isWithin(path, bytePath(places.home))
  )
    return "it lies in somebody's home directory"
  const [held] = tree ? secretPlacesIn(path) : []
  if (held !== undefined) return systemOf(held)
  const inside = below === undefined ? undefined : path.slice(below.length + 1)
  if (inside === '.git/config' || (inside === '.git' && tree)) return 'checkouts in CI keep a token there'
  return list === 'write' ? writeDanger(path, inside) : list === 'exec' ? programDanger(path) : undefined
}

/** Config files, of any package of a monorepo, and the manifest file under its usual name. */
const ownFiles =
  /(?:^|\/)(?:(?:vite|vitest)(?:\.[\w-]+)*\.(?:config|workspace)\.[cm]?[jt]s|vitest\.(?:workspace|projects)\.(?:[cm]?[jt]s|json)|seccomp\.manifest\.json)$/

/** At the top: files by which package managers, continuous integration, hooks of git, editors, agents and shells run something. */
const runByOthers = new RegExp(
  '^(?:' +
    [
      String.raw`package\.(?:json5?|yaml)$|pnpm-workspace\.yaml$|\.pnpmfile\.[cm]js$|\.pnp\.(?:cjs|loader\.mjs)$|\.yarn(?:\/(?!cache(?:\/|$))|$)|\.corepack\.env$|bunfig\.toml$`,
      String.raw`(?:package-lock|npm-shrinkwrap)\.json$|pnpm-lock\.yaml$|yarn\.lock$|bun\.lockb?$|deno\.(?:jsonc?|lock)$`,
      String.raw`\.(?:github|gitlab|circleci|buildkite|forgejo|gitea|woodpecker|husky|lefthook|vscode|devcontainer|idea|zed|fleet|cursor|claude|codex|gemini)(?:\/|$)`,
      String.raw`\.(?:gitlab-ci|travis|drone|cirrus|appveyor|woodpecker|pre-commit-config)\.ya?ml$|(?:azure-pipelines|bitbucket-pipelines|appveyor|lefthook)\.ya?ml$`,
      String.raw`\.devcontainer\.json$|\.mcp\.json$|\.gitmodules$|\.gitattributes$|\.?mise\.toml$|Jenkinsfile$|(?:AGENTS|CLAUDE|GEMINI)(?:\.\w+)?\.md$`,
      String.raw`(?:GNUm|[mM])akefile$|\.?[jJ]ustfile$|Taskfile\.ya?ml$|(?:Docker|Container)file$|(?:docker-)?compose\.ya?ml$`,
      String.raw`(?:eslint|prettier|stylelint|lint-staged|commitlint|playwright|cypress|jest|babel|postcss|next|nuxt|astro|svelte|tailwind|webpack|rollup|rspack|rolldown)\.config\.[cm]?[jt]s$`,
      String.raw`\.(?:eslint|prettier|stylelint|lintstaged|commitlint|mocha|babel|postcss)rc(?:\.[cm]?js)?$`,
    ].join('|') +
    ')',
)

/** One of each kind, at the top of a project: what a tree or a glob covers is judged by these. */
const usuallyRun = [
  'package.json',
  'pnpm-workspace.yaml',
  'package-lock.json',
  'pnpm-lock.yaml',
  '.yarn/releases/yarn.cjs',
  '.github/workflows/ci.yml',
  '.husky/pre-commit',
  '.vscode/tasks.json',
  '.claude/settings.json',
  '.mcp.json',
  '.gitlab-ci.yml',
  '.pre-commit-config.yaml',
  'Makefile',
  'eslint.config.js',
  'eslint.config.mjs',
  '.git/hooks/pre-commit',
  '.git/config',
  'node_modules/vitest/index.js',
  'vitest.config.ts',
  'vite.config.ts',
  'vite.config.js',
  'seccomp.manifest.json',
  '.npmrc',
  '.env',
]

/** Caches of compiled code, of Node (npm has one) and of loaders: in the directory for temporary files, if nothing else is said. */
const keptCode = /\/(?:node-compile-cache|v8-compile-cache(?:-[^/]*)?|tsx-[^/]*|jiti|ts-node-[^/]*)(?:\/|$)/

/** The danger of writing files that later runs or Vitest's own process load or run. */
function writeDanger(path: BytePath, inside: string | undefined): string | undefined {
  // In the project, only `node_modules` at its top counts; elsewhere any does.
  if (/^node_modules(?:\/|$)/.test(inside ?? '') || (inside === undefined && /\/node_modules(?:\/|$)/.test(path)))
    return 'what is written there is loaded by later runs'
  if (/^\.git(?:\/|$)/.test(inside ?? '')) return 'hooks and settings of git run outside the tests'
  if (runByOthers.test(inside ?? '')) return 'what it names is run outside the tests'
  if (ownFiles.test(inside ?? '')) return "Vitest's own process loads it"
  if (inside === undefined && keptCode.test(path)) return 'what is kept there is run in place of its source'
  if (inside === undefined && !/^\/(?:tmp|var\/tmp|dev\/shm)\//.test(path) && !isDevice(path))
    return 'it lies outside the project'
  return undefined
}

function isDevice(path: BytePath): boolean {
  return /^\/(?:dev|proc\/self)\//.test(path)
}

const powers = /\/(?:sudo|su|doas|pkexec|nsenter|docker|podman|kubectl|ssh)$/

function programDanger(path: BytePath): string | undefined {
  return powers.test(path) ? 'it runs things as somebody else, or somewhere else' : undefined
}

/** True if the directory contains the project or the user's home. */
export function isAbove(path: BytePath, { root, workspace, home }: Places): boolean {
  return [root, workspace, home].some((dir) => isWithin(bytePath(dir), path))
}

function depth(path: BytePath): number {
  return path === '/' ? 0 : path.split('/').length - 1
}

/** Directories that the search for secrets skips: they are large, and either always readable or never granted. */
const UNSEARCHED: ReadonlySet<string> = new Set(['node_modules', '.git'])
const MOST_SEARCHED = 20_000

export function isSecret(path: BytePath): boolean {
  return secretOf(path) !== undefined || systemPlaces.some(({ top }) => path === top)
}

/** The places of the catalogue that lie in a directory. */
export function secretPlacesIn(dir: BytePath): readonly BytePath[] {
  return systemPlaces.map(({ top }) => top).filter((top) => isWithin(top, dir))
}

/** One example name for each pattern of the catalogue. */
const examples = SECRET_NAMES.flatMap(({ examples: found }) => found)

/** True if a glob for a single name could match the name of a secret. */
export function mayNameSecret(glob: string): boolean {
  const matches = compileGlob(glob)
  return examples.some((name) => matches(name))
}

/** The secrets in a directory; `unknown` where the directory is too large to search. */
export function secretsIn(
  dir: BytePath,
  names: (dir: BytePath) => readonly string[] | undefined,
): readonly BytePath[] | 'unknown' {
  const found: BytePath[] = []
  const waiting = [dir]
  let searched = 0
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const name of names(next) ?? []) {
      if (++searched > MOST_SEARCHED) return 'unknown'
      const path = rawPath(next === '/' ? `/${name}` : `${next}/${name}`)
      if (isSecret(path)) found.push(path)
      else if (!UNSEARCHED.has(name)) waiting.push(path)
    }
  }
  return found.sort()
}
