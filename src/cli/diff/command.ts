/** `vitest-seccomp diff` shows what a pull request grants more or less. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToSystem } from '../../broker/system-path.js'
import { pathDanger } from '../../policy/dangers.js'
import type { ManifestFile } from '../../policy/manifest.js'
import { MANIFEST_FILE } from '../../policy/manifest.js'
import { showName } from '../../policy/message.js'
import { quote } from '../../policy/nearest.js'
import { parsePathGrant } from '../../policy/path-grants.js'
import { bytePath, showPath } from '../../policy/request.js'
import { parseOptions, withManifestFile } from '../../policy/schema.js'
import type { Places } from '../../policy/spell.js'
import { lookup } from '../../project/lookup.js'
import { ancestors } from '../../project/root.js'
import { summarise } from '../../vitest/step-summary.js'
import { EXIT, readArguments, UsageError, type Command, type Io } from '../command.js'
import { asMarkdown, asText, compare, type Change, type Links } from './compare.js'

const help = `vitest-seccomp diff --against <git ref> [--manifest <file>]

Says what the manifest file grants more or less than it does at a commit, such as origin/main. In a job of GitHub the
same goes to the summary of the step.

  --against <ref>      what git knows it by
  --manifest <file>    default: ${MANIFEST_FILE}

Exit code: 0 where nothing more is granted, 1 where something is, 2 where it cannot be compared.
`

export const diff: Command = {
  summary: 'say what the manifest grants that it did not at a commit, and what no longer',
  help,
  run,
}

async function run(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = readArguments(args, { against: 'text', manifest: 'text' })
  const { against, manifest = MANIFEST_FILE } = values
  if (against === undefined || positionals.length > 0) throw new UsageError('which commit? --against origin/main')
  const path = resolve(manifest)
  const top = topOf(dirname(path))
  const places = { root: dirname(path), workspace: top, home: homedir() }
  const after = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  const commit = git(['rev-parse', '--verify', '--quiet', `${against}^{commit}`], top, against).trim()
  const before = inCommit(commit, top, path)?.text()
  if (before === undefined && after === undefined)
    throw new UsageError(
      `${manifest} is neither here nor at ${against}. A manifest that stands in the config itself cannot be compared: let it name a file`,
    )
  const [old, now] = [parsed(before, `${manifest} at ${against}`), parsed(after, manifest)]
  const changes = compare(old, now, places, {
    isStraight: (entry) => isStraight(entry, places),
    meant: (entry) => meant(entry, places, (link) => isNewLink(link, commit, top)),
  })
  const links = newLinks(commit, top).map((link) => readByEveryRun(link, places))
  const all = { ...changes, more: [...changes.more, ...links] }
  const text = asText(all, against)
  io.out(text === '' ? `The manifest grants what it does at ${against}.\n` : text)
  const markdown = asMarkdown(all, against)
  if (markdown !== '') summarise(markdown)
  return await Promise.resolve(all.more.length === 0 ? EXIT.ok : EXIT.no)
}

/** True if an entry names its place by no symbolic link below the directory that it starts from. */
function isStraight(entry: string, places: Places): boolean {
  const grant = parsePathGrant(entry)
  if (!grant.ok) return false
  const { anchor, path } = grant.value
  // A test makes these directories, or they differ from one test file to the next.
  if (anchor === 'tmp' || anchor === 'file') return true
  const start = anchor === '/' ? '/' : places[anchor]
  const [from, to] = [start, join(start, path).replace(/(.)\/$/, '$1')].map((one) => lookup(bytePath(one)))
  return (
    from !== undefined &&
    to !== undefined &&
    'real' in from &&
    'real' in to &&
    to.real === join(from.real, bytePath(path))
  )
}

/** The place that an entry means by the links on its way, if there are any. A test file's own directory is not known. */
function meant(entry: string, places: Places, isNew: (link: string) => boolean): ReturnType<Links['meant']> {
  const grant = parsePathGrant(entry)
  if (!grant.ok || grant.value.anchor === 'tmp' || grant.value.anchor === 'file') return undefined
  const { anchor, path, rest } = grant.value
  const looked = lookup(bytePath(join(anchor === '/' ? '/' : places[anchor], path).replace(/(.)\/$/, '$1')))
  if (!('real' in looked) || looked.way === undefined) return undefined
  const below = rest === undefined ? '' : `/${rest}`
  return { path: `${showPath(looked.real)}${below}`, isNew: looked.way.links.map(showPath).some(isNew) }
}

/** True for a link in the checkout that the commit does not have, or has with another text. */
function isNewLink(link: string, commit: string, top: string): boolean {
  const below = relative(top, link)
  if (below.startsWith('..')) return false
  const before = inCommit(commit, top, link)
  return before?.mode !== LINK || before.text() !== readlinkSync(link)
}

/** Names that every run reads where they lie, without an entry. */
const READ_BY_EVERY_RUN = /(?:^|\/)(?:node_modules|package\.json|\.env[^/]*)$/

/** The links of the checkout by such a name that the commit does not have, or has with another text: absolute paths. */
function newLinks(commit: string, top: string): readonly string[] {
  const fields = git(['diff-index', '--raw', '-z', '--no-renames', '--ignore-submodules', commit], top).split('\0')
  return fields.flatMap((path, at) => {
    // git-diff-index(1), "Raw output format": a line for each path, and then the path.
    const [, mode] = (at % 2 === 1 ? fields[at - 1] : undefined)?.split(' ') ?? []
    return mode === LINK && READ_BY_EVERY_RUN.test(path) ? [join(top, path)] : []
  })
}

function readByEveryRun(link: string, places: Places): Change {
  const looked = lookup(bytePath(link))
  const end = 'real' in looked ? looked.real : bytePath(join(dirname(link), readlinkSync(link)))
  const danger = pathDanger(end, 'read', looked.kind === 'dir', places)
  const text = `every run reads ${quote(showName(relative(places.workspace, link)))}, which by a link means ${quote(showPath(end))}`
  return danger === undefined ? { text } : { text, danger }
}

/** The mode of a symbolic link in a tree of git: gitdatamodel(7). */
const LINK = '120000'

function parsed(text: string | undefined, name: string): ManifestFile {
  if (text === undefined) return {}
  // The content is used as it is, once it is known to be a valid manifest.
  withManifestFile(parseOptions({}), name, text)
  return JSON.parse(text)
}

/**
 * The top of the checkout. git is asked there only: in another directory it could take HEAD, objects/ and refs/ of a pull
 * request for a repository, and run what the config beside them names.
 */
function topOf(dir: string): string {
  const top = ancestors(dir).find((one) => existsSync(join(one, '.git')))
  if (top === undefined) throw new UsageError(`${dir} is in no checkout of git`)
  return top
}

/** Finds an entry in a commit; undefined if there is none. Of a link, the text is where it leads. */
function inCommit(
  commit: string,
  top: string,
  path: string,
): { readonly mode: string; readonly text: () => string } | undefined {
  const below = relative(top, path)
  const [, mode, kind] = /^(\d+) (\w+) /.exec(git(['ls-tree', '--full-tree', commit, '--', below], top)) ?? []
  return mode === undefined || kind !== 'blob'
    ? undefined
    : { mode, text: () => git(['cat-file', 'blob', `${commit}:${below}`], top) }
}

function git(args: readonly string[], cwd: string, ref?: string): string {
  try {
    const env = { ...process.env, PATH: pathToSystem(), GIT_LITERAL_PATHSPECS: '1' }
    return execFileSync('git', args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const why =
      ref === undefined ? (error instanceof Error ? error.message : String(error)) : `git knows no commit ${quote(ref)}`
    throw new UsageError(why, { cause: error })
  }
}
