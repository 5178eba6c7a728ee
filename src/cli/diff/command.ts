/** `vitest-seccomp diff` shows what a pull request grants more or less. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToSystem } from '../../broker/system-path.js'
import type { ManifestFile } from '../../policy/manifest.js'
import { MANIFEST_FILE } from '../../policy/manifest.js'
import { quote } from '../../policy/nearest.js'
import { parsePathGrant } from '../../policy/path-grants.js'
import { bytePath } from '../../policy/request.js'
import { parseOptions, withManifestFile } from '../../policy/schema.js'
import type { Places } from '../../policy/spell.js'
import { lookup } from '../../project/lookup.js'
import { ancestors } from '../../project/root.js'
import { summarise } from '../../vitest/step-summary.js'
import { EXIT, readArguments, UsageError, type Command, type Io } from '../command.js'
import { asMarkdown, asText, compare } from './compare.js'

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
  const places = { root: dirname(path), workspace: topOf(dirname(path)), home: homedir() }
  const after = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  const before = textAt(against, path)
  if (before === undefined && after === undefined)
    throw new UsageError(
      `${manifest} is neither here nor at ${against}. A manifest that stands in the config itself cannot be compared: let it name a file`,
    )
  const [old, now] = [parsed(before, `${manifest} at ${against}`), parsed(after, manifest)]
  const changes = compare(old, now, places, (entry) => isStraight(entry, places))
  const text = asText(changes, against)
  io.out(text === '' ? `The manifest grants what it does at ${against}.\n` : text)
  const markdown = asMarkdown(changes, against)
  if (markdown !== '') summarise(markdown)
  return await Promise.resolve(changes.more.length === 0 ? EXIT.ok : EXIT.no)
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

/** The text of the file at a commit; undefined if the commit has no such file. */
function textAt(ref: string, path: string): string | undefined {
  const top = topOf(dirname(path))
  const commit = git(['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], top, ref).trim()
  const below = relative(top, path)
  const isThere = git(['ls-tree', '--name-only', '--full-tree', commit, '--', below], top).trim() !== ''
  return isThere ? git(['show', `${commit}:${below}`], top) : undefined
}

function git(args: readonly string[], cwd: string, ref?: string): string {
  try {
    const env = { ...process.env, PATH: pathToSystem() }
    return execFileSync('git', args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const why =
      ref === undefined ? (error instanceof Error ? error.message : String(error)) : `git knows no commit ${quote(ref)}`
    throw new UsageError(why, { cause: error })
  }
}
