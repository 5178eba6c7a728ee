/** `vitest-seccomp report` makes one page of the JSON of one run or several. */
import { readFileSync, writeFileSync } from 'node:fs'
import { codeOf } from '../errors.js'
import { reportPage } from '../report/html.js'
import { readReport, reportOf } from '../report/read.js'
import { EXIT, readArguments, UsageError, type Command, type Io } from './command.js'

export const report: Command = {
  summary: 'make one page of what runs have reported',
  help: `vitest-seccomp report <json>... -o <page.html>

Makes one page, which needs nothing else, of the JSON that runs with \`report: { json: 'seccomp.json' }\` have left:
of one run, or of the shards of one from several machines.

  -o, --out <file>   where the page goes
  --json <file>      the reports put together, as JSON
`,
  async run(args, io) {
    const {
      values: { out, json },
      positionals,
    } = readArguments(
      args.map((arg) => (arg === '-o' ? '--out' : arg)),
      { out: 'text', json: 'text' },
    )
    if (positionals.length === 0)
      throw new UsageError("which JSON? Runs with `report: { json: 'seccomp.json' }` in the options leave some")
    if (out === undefined && json === undefined) throw new UsageError('where to? -o report.html')
    const files = positionals.flatMap((path) => filesOf(path))
    const data = reportOf(files)
    if (out !== undefined) writeFileSync(out, reportPage(data))
    if (json !== undefined) writeFileSync(json, JSON.stringify(data))
    say(io, [out, json], data.files.length)
    return EXIT.ok
  },
}

function filesOf(path: string): ReturnType<typeof reportOf>['files'] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${codeOf(error) ?? String(error)}`, { cause: error })
  }
  const read = readReport(text)
  if (!read.ok) throw new UsageError(`${path} ${read.problem}`)
  return read.files
}

function say(io: Io, paths: readonly (string | undefined)[], count: number): void {
  for (const path of paths) if (path !== undefined) io.out(`${path}: ${count} test file${count === 1 ? '' : 's'}\n`)
}
