/** The table of docs/compatibility.md, between two marks. */
import { readFileSync, writeFileSync } from 'node:fs'

const [BEGIN, END] = ['<!-- kernels: made by npm run kernels -- --write -->', '<!-- /kernels -->']
const HEAD = [
  'kernel',
  'Node',
  'doctor says',
  'everyday tests',
  'file operations',
  'ways out',
  'unix sockets',
  'escape corpus',
]

export function writeTable(path, machines, results) {
  const text = readFileSync(path, 'utf8')
  const [before, rest] = text.split(BEGIN)
  if (rest === undefined || !rest.includes(END)) throw new Error(`${path} has no ${BEGIN} … ${END}`)
  writeFileSync(path, `${before}${BEGIN}\n\n${tableOf(machines, results)}\n\n${END}${rest.split(END)[1]}`)
}

export function tableOf(machines, results) {
  const rows = machines.map((machine) => rowOf(machine, results[machine.name]))
  return [HEAD, HEAD.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function rowOf({ name, suite, expect }, result) {
  if (result?.release === undefined) return [`${name} (${suite})`, ...Array(HEAD.length - 1).fill('not run')]
  const { jobs, release, node, arch } = result
  const { found } = jobs.project ?? {}
  const isRefused = expect === 'refused'
  const project = (text) => {
    if (found === undefined) return 'not run'
    if (found.wrong.length > 0) return `**${found.wrong.length} wrong**`
    return isRefused ? 'the run is refused' : text
  }
  return [
    `${release} (${suite}, ${arch}${name.includes(' without ') ? `, ${name.slice(name.indexOf('without'))}` : ''})`,
    node.slice(1),
    lacks(jobs.doctor),
    project(`${found?.everyday}`),
    project(`${found?.operations}`),
    project(`${found?.ways} closed`),
    isRefused ? '-' : socketsOf(jobs['unix sockets']),
    isRefused ? '-' : counted(jobs.escapes, /(\d+ programs, \d+ as they should be)/),
  ]
}

function socketsOf(job) {
  if (job === undefined) return 'not run'
  const counts = job.lines.map((line) => /^\w+: (\d+) the same/.exec(line)?.[1]).filter((count) => count !== undefined)
  return job.code === 0
    ? `${counts.reduce((sum, count) => sum + Number(count), 0)} the same`
    : `**no result: ${job.signal ?? job.code}**`
}

/** The lines of doctor that are not `ok`, without their hints. */
function lacks(job) {
  if (job === undefined) return 'not run'
  const lines = job.lines.filter((line) => /^(?:FAIL|limited) /.test(line)).map((line) => line.replace(/^\w+ +/, ''))
  return lines.length === 0 ? 'ok' : lines.join('; ')
}

function counted(job, pattern) {
  if (job === undefined) return 'not run'
  const said = job.lines.map((line) => pattern.exec(line)?.[1]).find((text) => text !== undefined)
  return said === undefined ? `**no result: ${job.signal ?? job.code}**` : job.code === 0 ? said : `**${said}**`
}
