import * as v from 'valibot'
import { ManifestError, type ManifestProblem } from '../errors.js'
import type { DenyGrant } from './deny.js'
import { parseEnvName } from './env-names.js'
import { parseFileGlob } from './file-globs.js'
import { listKeys, LISTS, type Grants, type ListKey, type ParsedLists } from './lists.js'
import { UNSAFE, type ParsedManifest, type ParsedOptions } from './manifest.js'
import { invalid, quote, valid, type Parsed } from './nearest.js'
import { parsePreset } from './presets.js'
import { pairProblems, problemOf, type Issue } from './problems.js'
import { parseResources, type ParsedResource } from './resource-entries.js'
import { visible } from './visible.js'

/** Parses the path of a file that the run writes. */
function parseOutputFile(source: string): Parsed<string> {
  const expected = 'the path of a file to write'
  if (source === '' || source.endsWith('/')) return invalid(expected, source)
  return /[\0<>]/.test(source) ? invalid(`${expected}, without placeholders`, source) : valid(source)
}

/**
 * A string with a parser of its own. The parser's problem is passed on in the issue's fields, so that nothing is parsed
 * twice.
 */
function key(parse: (source: string) => Parsed<string>) {
  return v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => read(parse, dataset.value, addIssue) ?? NEVER),
  )
}

function read<T>(
  parse: (source: string) => Parsed<T>,
  source: string,
  addIssue: (issue: { expected: string; received: string; message: string }) => void,
): T | undefined {
  const parsed = parse(source)
  if (parsed.ok) return parsed.value
  const { expected, found, suggestion = '' } = parsed.problem
  addIssue({ expected, received: found, message: suggestion })
  return undefined
}

/** An entry of a list, alone or with the reason for it. */
function entry<T extends object>(parse: (source: string) => Parsed<T>) {
  return v.pipe(
    v.union([v.string(), v.strictObject({ entry: v.string(), why: v.string() })]),
    v.rawTransform(({ dataset: { value }, addIssue, NEVER }): T & { readonly why?: string } => {
      const parsed = read(parse, typeof value === 'string' ? value : value.entry, addIssue)
      if (parsed === undefined) return NEVER
      return typeof value === 'string' ? parsed : { ...parsed, why: value.why }
    }),
  )
}

/** An entry of `deny`: a path, alone or with a reason and the way in which it is refused. */
const denyEntry = v.pipe(
  v.union([
    v.string(),
    v.strictObject({
      entry: v.string(),
      why: v.exactOptional(v.string()),
      as: v.exactOptional(v.picklist(['absent', 'forbidden'])),
    }),
  ]),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }): DenyGrant => {
    const parsed = read(LISTS.deny.parse, typeof value === 'string' ? value : value.entry, addIssue)
    if (parsed === undefined) return NEVER
    if (typeof value === 'string') return parsed
    const { why, as } = value
    return { ...parsed, ...(why === undefined ? {} : { why }), as }
  }),
)

function listOf<T extends object>(parse: (source: string) => Parsed<T>, description: string) {
  return v.optional(v.pipe(v.array(entry(parse)), v.description(description)), [])
}

// valibot accepts an array as an object, and reports only the first unknown key of a strict object.
function aRecord() {
  return v.custom<{ [key: string]: unknown }>(
    (input) => typeof input === 'object' && input !== null && !Array.isArray(input),
  )
}
const record = aRecord()

/** A schema of its own, so that the published JSON schema can describe its content. */
export const resourceRecord = aRecord()

/** Each resource is checked by hand, because the possible problems depend on its kind. */
const resources = v.pipe(
  resourceRecord,
  v.rawTransform(({ dataset, addIssue, NEVER }): readonly ParsedResource[] => {
    const { resources: parsed, problems } = parseResources(dataset.value)
    for (const { expected, found, suggestion = '', path } of problems) {
      addIssue({ expected, received: found, message: suggestion, path: asPath(dataset.value, path) })
    }
    return problems.length === 0 ? parsed : NEVER
  }),
)

function asPath(
  input: { [key: string]: unknown },
  [first = '', ...rest]: readonly string[],
): [v.ObjectPathItem, ...v.ObjectPathItem[]] {
  const item = (key: string): v.ObjectPathItem => ({ type: 'object', origin: 'value', input, key, value: undefined })
  return [item(first), ...rest.map(item)]
}

/** A preset, with the lists that it stands for. */
const preset = v.pipe(
  v.string(),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
    const parsed = read(parsePreset, value, addIssue)
    const own = parsed === undefined ? undefined : v.safeParse(listsOnly, parsed.lists)
    if (own?.success === true) return { source: value, manifest: own.output }
    // Only the text after the colon can be wrong in it.
    if (own !== undefined) addIssue({ expected: own.issues[0].expected ?? '', received: quote(value), message: '' })
    return NEVER
  }),
)

type Spelled = Omit<ParsedManifest, 'use'> & {
  readonly use: readonly { readonly source: string; readonly manifest: ParsedManifest }[]
}

/** A manifest with the entries of its presets added to the lists, after its own. */
function withPresets({ use, ...own }: Spelled): ParsedManifest {
  const lists = listKeys.map((key) => {
    const spelled = use.flatMap(({ manifest: { [key]: grants } }, index) =>
      grants.map((grant) => ({ ...grant, preset: index })),
    )
    return [key, [...own[key], ...spelled]] as const
  })
  // The keys are the same; each list has more entries.
  return { ...own, ...(Object.fromEntries(lists) as ParsedLists), use: use.map(({ source }) => ({ source })) }
}

const listsOnly = v.lazy((): v.GenericSchema<unknown, ParsedManifest> => manifest)

// `fromEntries` loses which key has which value; here each key has the schema of its own entries.
const lists = Object.fromEntries(
  listKeys.map((key) => [key, listOf<object>(LISTS[key].parse, LISTS[key].description)]),
) as { readonly [K in ListKey]: ReturnType<typeof listOf<Grants[K]>> }

const manifest: v.GenericSchema<unknown, ParsedManifest> = v.pipe(
  record,
  v.objectWithRest(
    {
      ...lists,
      deny: v.optional(v.pipe(v.array(denyEntry), v.description(LISTS.deny.description)), []),
      use: v.optional(
        v.pipe(v.array(preset), v.description("Presets: 'git', 'npm', 'fontconfig', 'sqlite:file', 'postgres' …")),
        [],
      ),
      resources: v.optional(resources, {}),
    },
    v.never(),
  ),
  v.rawTransform(({ dataset: { value: own } }): ParsedManifest => withPresets(own)),
)

const fileManifests = v.optional(v.pipe(record, v.record(key(parseFileGlob), manifest)), {})

/** The content of a manifest file. The build makes its JSON schema from this. */
export const manifestFile = v.pipe(
  record,
  v.objectWithRest(
    {
      $schema: v.optional(v.string()),
      manifest: v.optional(v.pipe(manifest, v.description('What every test file may use')), {}),
      files: v.pipe(
        fileManifests,
        v.description("What some test files may use on top, by a glob on the test file's path"),
      ),
      runner: v.exactOptional(
        v.pipe(manifest, v.description("What Vitest's own process may use, where `vitest-seccomp run` confines it")),
      ),
    },
    v.never(),
  ),
)

/** The manifest itself, or the path of the file that holds it. */
const manifestOrFile = v.lazy((input): v.GenericSchema<unknown, ParsedManifest | string> =>
  typeof input === 'string' ? v.string() : manifest,
)

const options = v.pipe(
  record,
  v.objectWithRest(
    {
      manifest: v.optional(manifestOrFile, {}),
      files: fileManifests,
      mode: v.optional(v.picklist(['enforce', 'audit']), 'enforce'),
      onViolation: v.optional(v.picklist(['fail', 'warn']), 'fail'),
      onUnsupported: v.optional(v.picklist(['error', 'warn']), 'error'),
      denied: v.optional(v.picklist(['eacces', 'hide']), 'eacces'),
      env: v.optional(
        v.pipe(record, v.objectWithRest({ pass: v.optional(v.array(key(parseEnvName)), []) }, v.never())),
      ),
      report: v.optional(
        v.pipe(
          record,
          v.objectWithRest(
            { html: v.exactOptional(key(parseOutputFile)), json: v.exactOptional(key(parseOutputFile)) },
            v.never(),
          ),
        ),
      ),
      leaks: v.optional(v.picklist(['off', 'warn', 'fail']), 'off'),
      unsafe: v.optional(v.array(v.picklist(UNSAFE)), []),
    },
    v.never(),
  ),
)

/** Parses the pool's options. Throws one ManifestError that lists every problem. */
export function parseOptions(input: unknown): ParsedOptions {
  const result = v.safeParse(options, input ?? {})
  if (!result.success) throw new ManifestError(result.issues.map((issue: Issue) => problemOf(issue)))
  const { files, manifest: given, env, report, ...rest } = result.output
  const common = {
    ...rest,
    ...(env === undefined ? {} : { env }),
    ...(report === undefined ? {} : { report }),
    files: Object.entries(files).map(([glob, manifest]) => ({ glob, manifest })),
  }
  return typeof given === 'string'
    ? { ...common, manifest: NOTHING, manifestFile: given }
    : whole({ ...common, manifest: given })
}

export const NOTHING: ParsedManifest = v.parse(manifest, {})

/**
 * Adds the content of the manifest file to the options. `text` is undefined where the file does not exist, at `path`.
 * Throws one ManifestError that lists every problem and names the file.
 */
export function withManifestFile(
  options: ParsedOptions,
  file: string,
  text: string | undefined,
  path = file,
): ParsedOptions {
  if (text === undefined) throw new ManifestError([missingFile(file, path)])
  const result = v.safeParse(manifestFile, parseJson(text, file))
  if (!result.success) throw new ManifestError(result.issues.map((issue: Issue) => problemOf(issue, file)))
  const { manifest, files, runner } = result.output
  const own = Object.entries(files).map(([glob, granted]) => ({ glob, manifest: granted, from: file }))
  return whole({
    ...options,
    manifest,
    manifestFile: file,
    files: [...own, ...options.files],
    ...(runner === undefined ? {} : { runner }),
  })
}

/** The checks that need all of the options. */
function whole(options: ParsedOptions): ParsedOptions {
  const problems = pairProblems(options)
  if (problems.length > 0) throw new ManifestError(problems)
  return options
}

function missingFile(file: string, path: string): ManifestProblem {
  return {
    at: 'manifest',
    expected: 'the path of a manifest file, relative to the Vitest root',
    found: `${quote(file)}${path === file ? '' : ` (${path})`}, which does not exist`,
    suggestion: 'npx vitest-seccomp record -- vitest run   (on the command line: it makes one)',
  }
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new ManifestError([
      {
        at: file,
        expected: 'JSON, without comments (a reason goes into { entry, why })',
        found: visible(error.message),
      },
    ])
  }
}
