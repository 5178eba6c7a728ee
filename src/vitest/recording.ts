/**
 * Records the accesses of a run. `vitest-seccomp record` runs the tests with a directory in this environment variable.
 * Then nothing is refused, whatever the config says, and the accesses of each project's tests are written there when
 * this process ends.
 */
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { TestProject } from 'vitest/node'
import type { LedgerLine } from '../broker/ledger.js'
import { writtenEntries, type WrittenEntry } from '../policy/bind.js'
import type { ParsedManifest, ParsedOptions } from '../policy/manifest.js'
import { NOTHING, parseOptions } from '../policy/schema.js'
import type { ProjectPolicy } from './project-policy.js'
import { ledgerOf } from './run-ledger.js'

export const RECORD = 'VITEST_SECCOMP_RECORD'
/** The variable that says which grants of the config apply, so that they are not recorded again. */
export const COUNTS = 'VITEST_SECCOMP_RECORD_COUNTS'
/** The variable with entries of `deny` to try, as JSON, to see if the tests pass without what they name. */
export const DENY = 'VITEST_SECCOMP_RECORD_DENY'
/** The variable that names the file whose grants apply, for a config that names no pool. */
export const MANIFEST = 'VITEST_SECCOMP_RECORD_MANIFEST'
/**
 * `file`: only the grants of a manifest file apply. Those in the config will be replaced by the file that the recording
 * makes.
 */
export type Counts = 'all' | 'file' | 'nothing'

/** The accesses of one project's tests. Plain data: it goes to another process as JSON. */
export interface Recording {
  readonly project: string
  /** Canonical and absolute, like the other directories. */
  readonly root: string
  readonly workspace: string
  readonly home: string
  readonly searchPath: readonly string[]
  /** The path as written in the config. */
  readonly manifestFile?: string
  /** The entries of the config and its manifest file. */
  readonly entries: readonly WrittenEntry[]
  /** All test files of the project, including those that did not run; relative to the root, as below. */
  readonly testFiles: readonly string[]
  readonly files: readonly RecordedFile[]
}

export interface RecordedFile {
  readonly file: string
  /** The worker's `<tmp>`. */
  readonly tmp: string
  readonly accesses: readonly LedgerLine[]
  /** True if there were more accesses than the ledger holds. */
  readonly overflow: boolean
}

/** The directory for recordings; undefined if the run is not recorded. */
export function recordingDir(): string | undefined {
  const dir = process.env[RECORD]
  return dir === undefined || dir === '' ? undefined : dir
}

export function forRecording(options: ParsedOptions): ParsedOptions {
  if (recordingDir() === undefined) return options
  const counts = process.env[COUNTS]
  const isGiven = counts === 'all' || (counts === 'file' && options.manifestFile !== undefined)
  // Tests must get the resources that they acquire, or they would get no further.
  const onlyNamed = ({ resources }: ParsedManifest): ParsedManifest => ({ ...NOTHING, resources })
  const nothing = {
    manifest: onlyNamed(options.manifest),
    files: options.files.map((one) => ({ ...one, manifest: onlyNamed(one.manifest) })),
  }
  const counted = { ...options, mode: 'audit' as const, ...(isGiven ? {} : nothing) }
  const tried = triedEntries()
  return { ...counted, manifest: { ...counted.manifest, deny: [...counted.manifest.deny, ...tried] } }
}

function triedEntries(): ParsedManifest['deny'] {
  const text = process.env[DENY]
  return text === undefined || text === '' ? [] : parseOptions({ manifest: { deny: JSON.parse(text) } }).manifest.deny
}

const told = new WeakSet<object>()

/**
 * Warns that the run is recorded: a variable that somebody left in the environment must not silently switch anything
 * off. Called only where tests run, because `record` itself reads the config first.
 */
function sayIfRecording({ vitest }: TestProject): void {
  if (recordingDir() === undefined || told.has(vitest)) return
  told.add(vitest)
  vitest.logger.warn(`vitest-pool-seccomp: NOTHING IS REFUSED IN THIS RUN: it is recorded, because ${RECORD} is set.\n`)
}

const left = new WeakSet<ProjectPolicy>()

/** Writes the project's recording when this process ends, if the run is recorded. */
export function leaveRecording(policy: ProjectPolicy): void {
  const dir = recordingDir()
  if (dir === undefined || left.has(policy)) return
  left.add(policy)
  const { project } = policy
  sayIfRecording(project)
  let testFiles: readonly string[] = []
  // A project whose files cannot be listed fails by itself.
  project.globTestFiles().then(
    (found) => void (testFiles = found.testFiles),
    () => {},
  )
  process.once('exit', () => {
    writeFileSync(join(dir, `${randomUUID()}.json`), JSON.stringify(recordingOf(policy, testFiles)))
  })
}

function recordingOf(policy: ProjectPolicy, testFiles: readonly string[]): Recording {
  const { project, root, workspace, options } = policy
  const { home, searchPath = [] } = policy.suggestContext('')
  const shown = (path: string): string => relative(project.config.root, path)
  const files = ledgerOf(project.vitest).files.filter((entry) => entry.project === project)
  return {
    project: project.name,
    root,
    workspace,
    home,
    searchPath,
    entries: writtenEntries(options),
    testFiles: testFiles.map(shown),
    ...(options.manifestFile === undefined ? {} : { manifestFile: options.manifestFile }),
    files: files.map(({ file, tmp, accesses, overflow }) => ({ file: shown(file), tmp, accesses, overflow })),
  }
}

/** A worker's environment, as it would be in a run that is not recorded. */
export function withoutRecording(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => ![RECORD, COUNTS, MANIFEST, DENY].includes(name)))
}
