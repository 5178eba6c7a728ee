/**
 * `vitest-seccomp record` runs the tests with a directory named in the environment. Then nothing is refused, whatever the
 * config says, and what each project's tests used is left there when this process ends.
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
/** The grants that count as given, so that they are not recorded again. */
export const COUNTS = 'VITEST_SECCOMP_RECORD_COUNTS'
/** Entries of `deny` that are tried out, as JSON: whether the tests pass without what they name. */
export const DENY = 'VITEST_SECCOMP_RECORD_DENY'
/** The file whose grants count, for a config that names no pool. */
export const MANIFEST = 'VITEST_SECCOMP_RECORD_MANIFEST'
/** `file`: those of a manifest file. What the config says itself will give way to the file that the recording makes. */
export type Counts = 'all' | 'file' | 'nothing'

/** The accesses of the tests of one project. Plain data: it goes to another process as JSON. */
export interface Recording {
  readonly project: string
  /** Canonical and absolute, as are the other directories. */
  readonly root: string
  readonly workspace: string
  readonly home: string
  readonly searchPath: readonly string[]
  /** As the config names it. */
  readonly manifestFile?: string
  /** The entries of the config and its manifest file. */
  readonly entries: readonly WrittenEntry[]
  /** All test files of the project, also those that did not run; relative to the root, as below. */
  readonly testFiles: readonly string[]
  readonly files: readonly RecordedFile[]
}

export interface RecordedFile {
  readonly file: string
  /** `<tmp>` of the worker. */
  readonly tmp: string
  readonly accesses: readonly LedgerLine[]
  /** There was more than the ledger holds. */
  readonly overflow: boolean
}

/** The directory for recordings; none where nobody records. */
export function recordingDir(): string | undefined {
  const dir = process.env[RECORD]
  return dir === undefined || dir === '' ? undefined : dir
}

export function forRecording(options: ParsedOptions): ParsedOptions {
  if (recordingDir() === undefined) return options
  const counts = process.env[COUNTS]
  const isGiven = counts === 'all' || (counts === 'file' && options.manifestFile !== undefined)
  // What tests ask for by name they must get, to get any further.
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

/** A variable that somebody left in the environment must not switch anything off in silence. Said by whoever runs tests: `record` reads the config before. */
function sayIfRecording({ vitest }: TestProject): void {
  if (recordingDir() === undefined || told.has(vitest)) return
  told.add(vitest)
  vitest.logger.warn(`vitest-pool-seccomp: NOTHING IS REFUSED IN THIS RUN: it is recorded, because ${RECORD} is set.\n`)
}

const left = new WeakSet<ProjectPolicy>()

/** Leaves the project's recording behind when this process ends, if somebody asked for it. */
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

/** A worker's environment, as it would be in any other run. */
export function withoutRecording(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => ![RECORD, COUNTS, MANIFEST, DENY].includes(name)))
}
