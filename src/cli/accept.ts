/** `vitest-seccomp accept` adds the refusals of the last run to the manifest file, as `vitest -u` updates snapshots. */
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { isWithin } from '../policy/canonical.js'
import { dangerOfEntry, isAbove } from '../policy/dangers.js'
import type { ListKey } from '../policy/lists.js'
import type { ManifestFile } from '../policy/manifest.js'
import { LIST_FOR, MANIFEST_FILE } from '../policy/manifest.js'
import { showName } from '../policy/message.js'
import { quote } from '../policy/nearest.js'
import { parsePathGrant } from '../policy/path-grants.js'
import { bytePath, rawPath, showPath, type BytePath } from '../policy/request.js'
import { parseOptions, withManifestFile } from '../policy/schema.js'
import type { Places } from '../policy/spell.js'
import { lineToAdd } from '../policy/suggest.js'
import { lookup } from '../project/lookup.js'
import { findWorkspace } from '../project/root.js'
import { allowanceOf, type FileViolations } from '../vitest/allowance.js'
import { readLastRun, type RefusedFile, type RefusedProject } from '../vitest/last-run.js'
import { EXIT, readArguments, UsageError, type Command, type Io } from './command.js'
import { mergeFiles } from './record/merge.js'
import { asJson } from './record/print.js'

const help = `vitest-seccomp accept [entry]... [--all]

Takes what the last run refused into the manifest file: the entries that are named, such as test/data.json or
tcp:localhost:5432, or with --all everything that is not dangerous. What is dangerous is accepted by its name only, with
the reason beside it. Without either it says what there is.

  --all            every entry that is not dangerous
  --root <dir>     the Vitest root (default: where you are)

Exit code: 0 where nothing is left to accept, 1 where something is, 2 for what the last run has not refused.
`

export const accept: Command = { summary: 'take what the last run refused into the manifest file', help, run }

async function run(args: readonly string[], io: Io): Promise<number> {
  const {
    values: { all, root = '.' },
    positionals,
  } = readArguments(args, { all: 'flag', root: 'text' })
  const projects = (readLastRun(resolve(root))?.projects ?? []).map((project) => judged(project, resolve(root)))
  if (projects.length === 0) {
    io.out('The last run refused nothing.\n')
    return positionals.length === 0 ? EXIT.ok : EXIT.usage
  }
  const known = projects.flatMap(({ files }) => files.flatMap(({ suggestions }) => suggestions))
  const unknown = positionals.filter((entry) => !known.some((one) => one.entry === entry))
  if (unknown.length > 0)
    throw new UsageError(`the last run did not refuse ${unknown.map(quote).join(', ')}; there are\n${listed(projects)}`)
  let left = 0
  for (const project of projects) left += accepted(project, new Set(positionals), all, io)
  return await Promise.resolve(left === 0 ? EXIT.ok : EXIT.no)
}

/** The lists that a refusal suggests an entry of. One of `deny` would keep later refusals quiet. */
const GRANTING: readonly ListKey[] = Object.values(LIST_FOR)

/**
 * The refusals with the dangers and lines as they are found here: any plugin can write the file that they are read from,
 * even in a run where Vitest itself is confined.
 */
function judged(project: RefusedProject, root: string): RefusedProject {
  const workspace = findWorkspace(realpathSync(root))
  const { manifestFile = MANIFEST_FILE } = project
  const file = resolve(project.root, manifestFile)
  for (const path of [project.root, file])
    if (!isWithin(rawPath(path), bytePath(workspace)) || !isWithin(realOf(path), bytePath(workspace)))
      throw new UsageError(`the last run names ${quote(showName(path))}, which is not in ${workspace}`)
  if (!existsSync(file) && !file.endsWith('.json'))
    throw new UsageError(`the last run names ${quote(showName(file))}, which is no manifest file`)
  // The entries mean places in each project of that file, and the project that is named here may be none.
  const roots = [...new Set([project.root, dirname(file), realpathSync(root)])]
  const all = roots.map((one): Places => ({ root: one, workspace, home: homedir() }))
  const anew = ({ key: name, entry, line, danger }: RefusedSuggestion): RefusedSuggestion => {
    const key = GRANTING.find((known) => known === name)
    if (key === undefined)
      throw new UsageError(`the last run names ${quote(showName(name))}, which is no list of grants`)
    if (entry.startsWith('!') && !isRemoval({ line }))
      throw new UsageError(`the last run names ${quote(showName(entry))}, which grants nothing`)
    const found =
      all
        .map((places) => dangerOfEntry(key, entry, places) ?? hiddenDanger(key, entry, places))
        .find((one) => one !== undefined) ?? danger
    return {
      key,
      entry,
      line: isRemoval({ line }) ? showName(line) : lineToAdd(key, entry),
      ...(found === undefined ? {} : { danger: showName(found) }),
    }
  }
  const files = project.files.map(({ file, suggestions }) => ({
    file: showName(file),
    suggestions: suggestions.map(anew),
  }))
  return { ...project, files }
}

/**
 * The danger of an entry that does not show where it leads, or that covers more than any request. This package suggests no
 * such entry: paths are refused by their canonical names, whatever a test file's directory is.
 */
function hiddenDanger(key: ListKey, entry: string, places: Places): string | undefined {
  const isAddress = key === 'connect' || key === 'listen'
  const [, named = ''] = isAddress ? (/^unix:(?!@)(.*)$/s.exec(entry) ?? []) : ['', entry]
  const parsed = parsePathGrant(named)
  if (!parsed.ok || (key === 'exec' && !entry.includes('/'))) return undefined
  const { anchor, path, shape } = parsed.value
  if (anchor === 'file') return 'it means another place for each test file'
  if (anchor === 'tmp') return undefined
  const spelled = join(anchor === '/' ? '/' : places[anchor], path)
  const real = realOf(spelled)
  if (shape !== 'file' && key !== 'list' && isAbove(real, places)) return 'everything in the project'
  return real === bytePath(spelled.replace(/(.)\/$/, '$1')) ? undefined : `by a link it means ${showPath(real)}`
}

function realOf(path: string): BytePath {
  const looked = lookup(bytePath(path.replace(/(.)\/$/, '$1')))
  return 'real' in looked ? looked.real : rawPath('/')
}

type RefusedSuggestion = RefusedFile['suggestions'][number]

const isRemoval = ({ line }: Pick<RefusedSuggestion, 'line'>): boolean => line.startsWith('remove ')

/** Adds the chosen entries, and returns the number of entries that are left. */
function accepted(project: RefusedProject, named: ReadonlySet<string>, all: boolean, io: Io): number {
  const isTaken = (one: RefusedSuggestion): boolean =>
    !isRemoval(one) && (named.has(one.entry) || (all && one.danger === undefined))
  const taken = withOnly(project.files, isTaken)
  const rest = withOnly(project.files, (one) => !isTaken(one))
  if (taken.length > 0) write(project, taken, io)
  const head =
    named.size === 0 && !all
      ? 'The last run refused this. Accept an entry by its name, or with --all what is not dangerous:'
      : 'Left to accept, by name:'
  if (rest.length > 0) io.out(`${head}\n${listed([{ ...project, files: rest }])}`)
  return rest.length
}

function withOnly(files: readonly RefusedFile[], wanted: (one: RefusedSuggestion) => boolean): readonly RefusedFile[] {
  return files
    .map(({ file, suggestions }) => ({ file, suggestions: suggestions.filter(wanted) }))
    .filter(({ suggestions }) => suggestions.length > 0)
}

function write(
  { root, manifestFile = MANIFEST_FILE, filesInRun }: RefusedProject,
  taken: readonly RefusedFile[],
  io: Io,
): void {
  const path = resolve(root, manifestFile)
  const before = readManifest(path, manifestFile)
  const reasons = new Map(
    taken
      .flatMap(({ suggestions }) => suggestions)
      .flatMap(({ key, entry, danger }) => (danger === undefined ? [] : [[`${key} ${entry}`, danger]])),
  )
  const { manifest, files } = allowanceOf(
    taken.map(({ file, suggestions }): FileViolations => ({
      file,
      // Without their dangers: these entries were named one by one, and each gets the danger as its reason.
      violations: suggestions.map(({ key, entry, line }) => ({
        call: '',
        access: key,
        resource: entry,
        suggestion: { key, entry, line },
        message: '',
      })),
    })),
    filesInRun,
  )
  const added = withReasons({ manifest: manifest ?? {}, files: files ?? {} }, reasons)
  const text = asJson(mergeFiles(before, added))
  withManifestFile(parseOptions({}), manifestFile, text)
  writeFileSync(path, text)
  io.out(
    `${showName(relative(process.cwd(), path))}: added\n${taken
      .flatMap(({ file, suggestions }) => suggestions.map(({ line }) => `  ${line}  (${file})`))
      .join('\n')}\n`,
  )
}

function withReasons({ manifest = {}, files = {} }: ManifestFile, reasons: ReadonlyMap<string, string>): ManifestFile {
  const reasoned = (one: NonNullable<ManifestFile['manifest']>): typeof one =>
    Object.fromEntries(
      Object.entries(one).map(([key, entries]) => [
        key,
        Array.isArray(entries)
          ? entries.map((entry: unknown) => {
              const why = typeof entry === 'string' ? reasons.get(`${key} ${entry}`) : undefined
              return why === undefined ? entry : { entry, why: `DANGEROUS: ${why}` }
            })
          : entries,
      ]),
    )
  return {
    manifest: reasoned(manifest),
    files: Object.fromEntries(Object.entries(files).map(([glob, own]) => [glob, reasoned(own)])),
  }
}

function readManifest(path: string, name: string): ManifestFile {
  if (!existsSync(path)) return {}
  const text = readFileSync(path, 'utf8')
  withManifestFile(parseOptions({}), name, text)
  return JSON.parse(text)
}

function listed(projects: readonly RefusedProject[]): string {
  const lines = projects.flatMap(({ files }) =>
    files.flatMap(({ file, suggestions }) =>
      suggestions.map(
        ({ line, danger }) => `  ${line}  (${danger === undefined ? '' : `DANGEROUS: ${danger}; `}${file})`,
      ),
    ),
  )
  return `${[...new Set(lines)].join('\n')}\n`
}
