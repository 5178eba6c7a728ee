/**
 * npm run bench [-- --quick] [--only operations,policy,suites,start] [--rounds N]
 *
 * What confinement costs, against nothing around it, against a broker in C that decides nothing, and against Vitest's own
 * forks pool. Worlds take turns within one run, so that their ratios hold on a machine whose speed changes. Writes what
 * it measured into docs/performance.md, between the marks there, unless --quick says that it is a matter of seconds.
 */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compileNative } from './native.mjs'
import { benchOperations } from './operations.mjs'
import { benchPolicy } from './policy.mjs'
import { renewDocument, tables } from './report.mjs'
import { benchStart } from './start.mjs'
import { benchSuites } from './suites.mjs'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    json: { type: 'string' },
  },
})
const wanted = values.only?.split(',') ?? ['operations', 'policy', 'suites', 'start']
const rounds = Number(values.rounds ?? (values.quick ? 3 : 9))
const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'bench-')))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true, maxRetries: 3 }))

const native = compileNative(scratch)
if (typeof native === 'string') process.stderr.write(`${native}\n`)
const log = (line) => process.stderr.write(`${line}\n`)
const found = {}
if (wanted.includes('operations'))
  found.operations = await benchOperations({ native, scratch, rounds, seconds: values.quick ? 0.1 : 0.3, log })
if (wanted.includes('policy')) found.policy = await benchPolicy()
if (wanted.includes('start')) found.start = benchStart({ scratch, rounds, files: values.quick ? 10 : 30, log })
if (wanted.includes('suites')) {
  found.suites = benchSuites({
    scratch,
    rounds: values.quick ? 1 : rounds,
    only: values.quick ? ['one trivial', '100 trivial', '500 modules'] : undefined,
    log: (name) => log(`suite: ${name}`),
  })
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(found))
const sections = tables(found, { rounds, native })
for (const text of Object.values(sections)) process.stdout.write(`${text}\n\n`)
if (!values.quick) renewDocument(sections)
// Worlds that a failure left behind must not keep it alive.
process.exit(0)
