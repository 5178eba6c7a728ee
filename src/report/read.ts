/** Reads, checks and merges reports in JSON, from this machine or another. */
import * as v from 'valibot'
import { OPERATIONS, type Operation } from '../policy/operations.js'
import { visible } from '../policy/visible.js'
import { REPORT_VERSION, type ReportData, type ReportFile } from './data.js'
import { hazardsOf } from './hazards.js'

const optionalText = v.exactOptional(v.string())
const access = v.picklist(['look', 'read', 'write', 'execute', 'connect', 'listen'])

const use = v.object({
  access,
  what: v.string(),
  outcome: v.picklist(['allowed', 'denied', 'hidden']),
  call: v.string(),
  operation: v.custom<Operation>((input) => typeof input === 'string' && Object.hasOwn(OPERATIONS, input)),
  by: optionalText,
  test: optionalText,
  first: v.number(),
  last: v.number(),
  count: v.number(),
})
const grant = v.object({ list: v.string(), source: v.string(), at: v.string() })
const leak = v.object({
  kind: v.picklist(['file', 'directory', 'socket', 'pipe', 'other']),
  what: v.string(),
  descriptor: v.number(),
  test: optionalText,
  opened: v.number(),
})
const facts = v.object({
  run: v.string(),
  pid: v.number(),
  began: v.number(),
  ended: v.number(),
  root: v.string(),
  home: v.string(),
  uses: v.array(use),
  overflow: v.boolean(),
  grants: v.array(grant),
  opened: v.record(v.string(), v.number()),
  leaks: v.array(leak),
})
const denial = v.object({
  call: v.string(),
  resource: v.string(),
  message: v.string(),
  test: optionalText,
  line: optionalText,
  danger: optionalText,
})
const file = v.object({
  project: v.string(),
  file: v.string(),
  state: v.string(),
  denials: v.array(denial),
  facts: v.exactOptional(facts),
})
const report = v.object({ version: v.literal(REPORT_VERSION), files: v.array(file) })

type ParsedReport =
  | { readonly ok: true; readonly files: readonly ReportFile[] }
  | { readonly ok: false; readonly problem: string }

/** Parses a report. Never throws: the problem is half a sentence. */
export function readReport(text: string): ParsedReport {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return { ok: false, problem: `is not JSON: ${visible(error.message)}` }
  }
  const parsed = v.safeParse(report, json)
  if (parsed.success) return { ok: true, files: parsed.output.files }
  const version = json instanceof Object && 'version' in json ? json.version : undefined
  if (typeof version === 'number' && version !== REPORT_VERSION) {
    return {
      ok: false,
      problem: `has version ${version}, and this vitest-pool-seccomp reads version ${REPORT_VERSION}`,
    }
  }
  const [issue] = parsed.issues
  return {
    ok: false,
    problem: `is no report of vitest-pool-seccomp: see its ${visible(v.getDotPath(issue) ?? 'first character')}`,
  }
}

/**
 * Merges the files of several reports into one. Files are sorted; a file that occurs in several reports occurs as often
 * in the result.
 */
export function reportOf(files: readonly ReportFile[]): ReportData {
  const sorted = files.toSorted((a, b) => compare(a.project, b.project) || compare(a.file, b.file))
  return { version: REPORT_VERSION, files: sorted, hazards: hazardsOf(sorted) }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
