/** The table of docs/compatibility.md, between two marks. */
import { readFileSync, writeFileSync } from 'node:fs'
import { SUITES } from '../matrix/parts.mjs'

const [BEGIN, END] = ['<!-- kernels: made by npm run kernels -- --write -->', '<!-- /kernels -->']

export function writeTable(path, machines, results) {
  const text = readFileSync(path, 'utf8')
  const [before, rest] = text.split(BEGIN)
  if (rest === undefined || !rest.includes(END)) throw new Error(`${path} has no ${BEGIN} … ${END}`)
  writeFileSync(path, `${before}${BEGIN}\n\n${tableOf(machines, results)}\n\n${END}${rest.split(END)[1]}`)
}

/** A column for each machine: rows are more, and longer. */
export function tableOf(machines, results) {
  const columns = machines.map((machine) => columnOf(machine, results[machine.name]))
  const [first] = columns
  const rows = Object.keys(first).map((name) => [name, ...columns.map((column) => column[name])])
  const [head, ...body] = rows
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function columnOf({ name, suite, expect }, { release, node, arch, jobs = {} } = {}) {
  const what = name.includes(' without ') ? `, ${name.slice(name.indexOf('without'))}` : ''
  const isRefused = expect === 'refused'
  const unless = (text) => (isRefused ? '-' : text)
  const both = (of) => perUser(jobs.project, jobs['project, user'], isRefused, of)
  return {
    kernel: release === undefined ? `${name} (${suite})` : `${release} (${suite}, ${arch}${what})`,
    Node: node?.slice(1) ?? 'not run',
    'doctor says': lacks(jobs.doctor),
    'doctor, as a user': same(jobs['doctor, user'], jobs.doctor),
    Yama: unless(yama(jobs)),
    'everyday tests': both(({ everyday }) => `${everyday} pass`),
    'file operations, the same':
      isRefused || jobs.project?.found?.operations > 0 ? both(({ operations }) => operations) : listOf(jobs),
    'ways out': both(({ ways }) => `${ways} closed`),
    'unix sockets': unless(counted(jobs['unix sockets'], /^(messages|servers): (\d+) the same/, sum('the same'))),
    'PostgreSQL by its unix socket': unless(
      counted(jobs['unix sockets'], /^(postgresql): (\d+ the same)/, () => 'works'),
    ),
    'real suites': unless(suites(jobs)),
    'escape corpus': unless(inPieces(jobs.escapes, programs)),
    'its programs for Vitest': unless(inPieces(jobs['escapes in Vitest'], programs)),
    'tests near the kernel': unless(inPieces(jobs['kernel tests'], tests)),
  }
}

const sum = (what) => (found) => `${found.reduce((total, [, , count]) => total + Number(count), 0)} ${what}`

function perUser(root, user, isRefused, of) {
  const one = (job) => {
    if (job?.found === undefined) return job === undefined ? 'not run' : `**no result: ${job.signal ?? job.code}**`
    if (job.found.wrong.length > 0) return `**${job.found.wrong.length} wrong**`
    return isRefused ? 'the run is refused' : of(job.found)
  }
  if (isRefused || one(root) === 'not run') return one(root)
  return user === undefined
    ? `${one(root)} (root)`
    : one(root) === one(user)
      ? `${one(root)} (root, user)`
      : `${one(root)} (root), ${one(user)} (user)`
}

/** The same list runs among the tests near the kernel, an operation for each test. */
const LIST = 'test/transparency/files.test.ts'
/** That it is whole, and that nothing in it is a violation. */
const BESIDES = 2

function listOf(jobs) {
  const { passed, wrong } = jobs['kernel tests']?.items[LIST] ?? {}
  if (passed === undefined) return 'not run'
  return wrong.length === 0 ? `${passed - BESIDES}, without Vitest (root)` : `**${wrong.length} wrong**`
}

/** The lines of doctor that are not `ok`, without their hints. */
function lacks(job) {
  if (job === undefined) return 'not run'
  const lines = job.lines.filter((line) => /^(?:FAIL|limited) /.test(line)).map((line) => line.replace(/^\w+ +/, ''))
  return lines.length === 0 ? 'ok' : lines.join('; ')
}

function same(job, other) {
  return job !== undefined && lacks(job) === lacks(other) ? 'the same' : lacks(job)
}

function yama(jobs) {
  if (!Object.keys(jobs).some((name) => name.includes('Yama'))) return 'not run'
  const said = [
    ['1, user', jobs['doctor, user, Yama 1']],
    ['2, user', jobs['doctor, user, Yama 2']],
    ['2, root', jobs['doctor, Yama 2']],
  ].map(([what, job]) => {
    if (job === undefined) return `${what}: not run`
    const runs = job.lines.some((line) => line.startsWith('Tests can run confined here'))
    const names = job.lines.some((line) => line.includes('kernel.yama.ptrace_scope is'))
    return `${what}: ${runs ? 'runs' : 'refused'}${names ? '' : ', **Yama not named**'}`
  })
  return said.join('; ')
}

function suites(jobs) {
  const known = SUITES.filter((one) => jobs[`suite ${one}`] !== undefined)
  return known.length === 0 ? 'not run' : known.map((one) => `${one}: ${suiteOf(jobs[`suite ${one}`], one)}`).join('; ')
}

/** How many tests were the same in both worlds. */
function suiteOf(job, name) {
  if (job === undefined) return 'not run'
  const row = job.lines.find((line) => line.includes(`${name} `) && /\d/.test(line))
  const [tests] = /\b\d+\b/.exec(row ?? '') ?? []
  return job.code === 0 && tests !== undefined ? `${tests} tests, the same` : `**no result: ${job.signal ?? job.code}**`
}

/** What runs program by program or file by file, and may have been cut short: never told as if it were whole. */
function inPieces(job, told) {
  if (job === undefined) return 'not run'
  // One whose packages are missing, or that is for another processor, cannot run.
  const items = Object.values(job.items).filter(({ verdict }) => verdict !== 'left out')
  const all = job.all - (Object.keys(job.items).length - items.length)
  if (items.length === 0) return `**no result: ${job.signal ?? job.code}**`
  const { unit, text, isFine } = told(items)
  const count = items.length === all ? `${all} ${unit}` : `${items.length} of ${all} ${unit} run`
  return isFine ? `${count}, ${text}` : `**${count}, ${text}**`
}

/** A program that was still at it when its time was over has not got out, but may not have tried everything either. */
function programs(items) {
  const fine = items.filter(({ isFine }) => isFine).length
  const late = items.filter(({ isFine, isTimeUp }) => isFine && isTimeUp).length
  const text = `${fine} as they should be${late === 0 ? '' : ` (${late} until their time was over)`}`
  return { unit: 'programs', text, isFine: fine === items.length }
}

function tests(items) {
  const total = (what) => items.reduce((sum, item) => sum + item[what], 0)
  const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(total)
  const text = [`${passed} passed`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`]
  return {
    unit: 'files',
    text: text.filter(Boolean).join(', '),
    isFine: items.every(({ wrong }) => wrong.length === 0),
  }
}

function counted(job, pattern, text = ([[, , said]]) => said) {
  if (job === undefined) return 'not run'
  const found = job.lines.map((line) => pattern.exec(line)).filter((match) => match !== null)
  if (found.length === 0) return job.code === 0 ? 'not run' : `**no result: ${job.signal ?? job.code}**`
  return job.code === 0 ? String(text(found)) : `**${text(found)}**`
}
