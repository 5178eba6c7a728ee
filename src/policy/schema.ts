import * as v from 'valibot'
import { ManifestError } from '../errors.js'
import { parseFileGlob } from './file-globs.js'
import type { ParsedOptions } from './manifest.js'
import type { Parsed } from './nearest.js'
import { parseExecGrant, parsePathGrant } from './path-grants.js'
import { problemOf, type Issue } from './problems.js'
import { parseSocketGrant } from './socket-grants.js'

/** A string that a parser of ours reads. Its problem travels in the issue's fields, so that nothing is parsed twice. */
function entry<T>(parse: (source: string) => Parsed<T>) {
  return v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }): T => {
      const parsed = parse(dataset.value)
      if (parsed.ok) return parsed.value
      const { expected, found, suggestion = '' } = parsed.problem
      addIssue({ expected, received: found, message: suggestion })
      return NEVER
    }),
  )
}

function listOf<T>(parse: (source: string) => Parsed<T>) {
  return v.optional(v.array(entry(parse)), [])
}

// valibot takes an array for an object, and names only the first unknown key of a strict one.
const record = v.custom<{ [key: string]: unknown }>(
  (input) => typeof input === 'object' && input !== null && !Array.isArray(input),
)

const manifest = v.pipe(
  record,
  v.objectWithRest(
    {
      read: listOf(parsePathGrant),
      write: listOf(parsePathGrant),
      exec: listOf(parseExecGrant),
      connect: listOf((source) => parseSocketGrant(source, 'connect')),
      listen: listOf((source) => parseSocketGrant(source, 'listen')),
      resources: v.optional(v.pipe(record, v.record(v.string(), record)), {}),
    },
    v.never(),
  ),
)

const options = v.pipe(
  record,
  v.objectWithRest(
    {
      manifest: v.optional(manifest, {}),
      files: v.optional(v.pipe(record, v.record(entry(parseFileGlob), manifest)), {}),
      mode: v.optional(v.picklist(['enforce', 'audit']), 'enforce'),
      onViolation: v.optional(v.picklist(['fail', 'warn']), 'fail'),
      onUnsupported: v.optional(v.picklist(['error', 'warn']), 'error'),
      denied: v.optional(v.picklist(['eacces', 'hide']), 'eacces'),
    },
    v.never(),
  ),
)

/** The pool's options, read. Throws one ManifestError that lists every problem. */
export function parseOptions(input: unknown): ParsedOptions {
  const result = v.safeParse(options, input ?? {})
  if (!result.success) throw new ManifestError(result.issues.map((issue: Issue) => problemOf(issue)))
  const { files, ...rest } = result.output
  return { ...rest, files: Object.entries(files).map(([glob, manifest]) => ({ glob, manifest })) }
}
