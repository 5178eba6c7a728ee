/**
 * Checks onAfterSuiteRun. Coverage names files, which Vitest reads and transforms at the end of the run. Vitest 4 gets
 * the coverage in the call; Vitest 5 gets the name of a file that the worker wrote.
 */
import { dirname, normalize, relative, resolve } from 'node:path'
import { ProtocolError } from '../../errors.js'
import { isWithin } from '../../policy/canonical.js'
import { bytePath } from '../../policy/request.js'
import { classify } from './classify.js'
import { isKernel } from './import-verdict.js'
import { pathOfUrl, splitId } from './module-id.js'
import { isNormalId } from './normal-form.js'
import { forbidden, pass, refuse, type Check, type GateWorker } from './outcome.js'
import { isNumber, plain, type Type } from './plain.js'
import type { PrivateCopies } from './private-copies.js'
import { isInTrees, type GateProject } from './project.js'
import { readSafely } from './safe-open.js'
import { field, fieldsOf, isFields, listOf, textOf, textsOf, type Fields } from './values.js'
import { walk } from './walk.js'
import type { Writes } from './writes.js'

const LARGEST = 512 * 1024 * 1024
/** A name that path.resolve and readers of URLs take for the same path. */
const PLAIN = /^(?!.*\/\/)(?!\/?[^/]*:)[^%?#\\\0]*$/

/**
 * onAfterSuiteRun({ coverage, testFiles, environment, projectName }). `key` is the name of the field with the
 * environment.
 */
export function covered(
  copies: PrivateCopies,
  keptUntilTheEnd: (copy: string) => void,
  key: 'environment' | 'transformMode',
): Check {
  return (args, worker) => {
    const given = fieldsOf(args[0], "onAfterSuiteRun's argument")
    const environment = textOf(field(given, key), "the coverage's environment")
    if (worker.environment(environment) === undefined)
      return refuse(forbidden(`the tests of this worker run in no Vite environment ${JSON.stringify(environment)}`))
    const meta = {
      [key]: environment,
      testFiles: ownNames(textsOf(given.testFiles, "the coverage's test files"), worker),
      projectName: worker.project.name,
    }
    const { coverage } = given
    if (typeof coverage !== 'string')
      return pass([{ ...meta, coverage: coverage === undefined ? undefined : plain(ownFiles(coverage, worker)) }])
    const { coverageDir } = worker.project
    const walked = walk(coverage)
    if (
      coverageDir === undefined ||
      walked.kind !== 'file' ||
      !isWithin(bytePath(walked.real), bytePath(walk(coverageDir).real))
    ) {
      return refuse(forbidden(`${JSON.stringify(coverage)} is not a file in the directory for coverage data`))
    }
    const parsed = parse(readSafely(walked.real, LARGEST))
    const copy = copies.keep('coverage.json', JSON.stringify(plain(ownFiles(parsed, worker))))
    keptUntilTheEnd(copy)
    return pass([{ ...meta, coverage: copy }])
  }
}

/**
 * The names of test files, relative to the root. What comes under the same names later takes the place of the coverage
 * before, so that names of other files would remove theirs.
 */
function ownNames(named: readonly string[], { project, files }: GateWorker): readonly string[] {
  const own = [...files].map((file) => relative(project.root, file)).sort()
  return named.length > 0 && named.every((name) => own.includes(name)) ? named : own
}

function parse(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'))
  } catch (error) {
    throw new ProtocolError('coverage data that is not JSON', { cause: error })
  }
}

/**
 * The coverage without files that do not belong to the tests. V8's coverage is a list of scripts by URL, Istanbul's an
 * object by path.
 */
function ownFiles(coverage: unknown, worker: GateWorker): unknown {
  if (!isFields(coverage)) throw new ProtocolError('coverage data of an unknown shape')
  const scripts = field(coverage, 'result')
  if (Array.isArray(scripts)) {
    const known = listOf(scripts, 'coverage').filter(
      (script): script is Fields =>
        isFields(script) &&
        isOwnFile(pathOf(script.url), worker) &&
        isNumber(script.startOffset ?? 0) &&
        isListOf(script.functions, isFunction),
    )
    return { ...coverage, result: known }
  }
  return Object.fromEntries(
    Object.entries(coverage).filter(
      ([id, data]) =>
        isOwn(fileOf(id, worker), worker) &&
        isFields(data) &&
        data.path === id &&
        isCounted(data) &&
        leadsToOwn(data, worker),
    ),
  )
}

function isListOf<T>(value: unknown, is: (one: unknown) => one is T): value is readonly T[] {
  return Array.isArray(value) && value.every(is)
}

interface CoveredRange extends Fields {
  readonly startOffset: number
  readonly endOffset: number
}

function isRange(range: unknown): range is CoveredRange {
  return isFields(range) && [range.startOffset, range.endOffset, range.count].every(Number.isSafeInteger)
}

/**
 * True for V8's FunctionCoverage, whose first range is that of the function. From any other the provider throws when it
 * merges what all files bring, and then there is no summary of the run either.
 */
function isFunction(value: unknown): value is Fields {
  if (!isFields(value) || typeof value.functionName !== 'string' || !isListOf(value.ranges, isRange)) return false
  const [whole, ...parts] = value.ranges
  return (
    whole !== undefined &&
    parts.every(({ startOffset, endOffset }) => startOffset >= whole.startOffset && endOffset <= whole.endOffset)
  )
}

const isPlace = (value: unknown): boolean => isFields(value) && isFields(value.start) && isFields(value.end)
/** Reports go by the name, and by the place of the declaration where there is one. */
const isFunctionPart = (value: unknown): boolean =>
  isFields(value) && typeof value.name === 'string' && isPlace(value.loc) && isPlace(value.decl ?? value.loc)
const isBranch = (value: unknown): boolean =>
  isFields(value) && Array.isArray(value.locations) && value.locations.every(isPlace) && isPlace(value.loc)
const isCounts = (value: unknown): boolean => Array.isArray(value) && value.every(isNumber)

/** Istanbul's FileCoverageData: numbers by key, and the place of each in a map with the same keys. */
const COUNTED: readonly (readonly [counts: string, map: string, isCount: Type, isItem: Type])[] = [
  ['s', 'statementMap', isNumber, isPlace],
  ['f', 'fnMap', isNumber, isFunctionPart],
  ['b', 'branchMap', isCounts, isBranch],
]

/** True if Istanbul can merge the data with that of others: where it throws, there is no summary of the run either. */
function isCounted(data: Fields): boolean {
  return COUNTED.every(([name, mapName, isCount, isItem]) => {
    const [counts, map] = [field(data, name), field(data, mapName)]
    return (
      isFields(counts) &&
      isFields(map) &&
      Object.entries(counts).every(([key, count]) => isCount(count) && isItem(field(map, key))) &&
      Object.entries(map).every(([key, item]) => isItem(item) && Object.hasOwn(counts, key))
    )
  })
}

/**
 * The file of an id in Istanbul's coverage. An id may have a query, such as `?worker`. A file whose name contains that
 * query would be read instead.
 */
function fileOf(id: string, { writes }: GateWorker): string | undefined {
  const { path, query } = splitId(id)
  if (query === '') return id
  const named = walk(id)
  return isNormalId(id) && named.kind === 'missing' && writes.covering(named) === undefined ? path : undefined
}

/**
 * True if every source of the data's source map may be covered: Istanbul's reports show these files, so Vitest reads
 * them.
 */
function leadsToOwn(data: Fields, worker: GateWorker): boolean {
  const map = field(data, 'inputSourceMap') ?? undefined
  if (map === undefined) return true
  if (!isFields(map) || field(map, 'sections') !== undefined || (field(map, 'sourceRoot') ?? '') !== '') return false
  const sources = listOf(field(map, 'sources') ?? [], "a source map's sources")
  const dir = dirname(textOf(data.path, "the coverage's file"))
  return sources.every((source) => {
    if (source === null || source === '') return true
    // An absolute name is left as it is.
    const path = (name: string): string => (name.startsWith('/') ? name : resolve(dir, name))
    return typeof source === 'string' && PLAIN.test(source) && isOwn(path(source), worker)
  })
}

/**
 * The path of a script, only if all readings give the same file: Vitest decodes the URL twice, and a `?` that results
 * from decoding begins a query.
 */
function pathOf(url: unknown): string | undefined {
  const [address = '', query = ''] = typeof url === 'string' ? url.split(/(?=[?#])/, 2) : []
  const path = address.startsWith('file://') ? pathOfUrl(address) : undefined
  const isPlain = path !== undefined && PLAIN.test(path) && decodeURIComponent(address) === `file://${path}`
  return isPlain && /^(?:\?[\w.=&-]*)?$/.test(query) ? path : undefined
}

/** For a script that is gone, the provider would make up a text as long as its coverage says, and then leave it out. */
function isOwnFile(path: string | undefined, worker: GateWorker): boolean {
  return path !== undefined && isOwn(path, worker) && walk(path).kind === 'file'
}

/** True for code of the project that no test may write. Vitest itself leaves out files that no longer exist. */
function isOwn(path: string | undefined, { project, writes, files }: GateWorker): boolean {
  return path !== undefined && mayBeCovered(path, project, writes, files)
}

/**
 * True if a report may contain the file. `files`: the test files of a worker, which inline snapshots may make writable.
 */
export function mayBeCovered(
  path: string,
  project: GateProject,
  writes: Writes,
  files: ReadonlySet<string> = new Set(),
): boolean {
  // A report in HTML is written to a place of the same name: below the directory for reports, or above it by `..`.
  if (!path.startsWith('/') || normalize(path) !== path) return false
  if (classify(path, '', project.extensions).is !== 'code') return false
  const walked = walk(path)
  // A report reads what is there.
  if (walked.kind === 'other' || walked.kind === 'dir' || isKernel(walked, path)) return false
  if (classify(walked.real, '', project.extensions).is !== 'code') return false
  return isInTrees(walked.real, project) && (files.has(walked.real) || writes.covering(walked) === undefined)
}
