/** The results as tables, and docs/performance.md with them between its marks. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { project } from './confined.mjs'
import { quantile, ratio, summary } from './statistics.mjs'

const DOCUMENT = join(project, 'docs/performance.md')
const NAMES = {
  open: 'open and close a file',
  readfile: 'open, fstat, read 4 KB, close',
  stat: 'stat',
  'stat-nothing': 'stat of nothing',
  readdir: 'list a directory of 1,000',
  'write-unlink': 'create, write, close, unlink',
  pipe: 'pipe, close both',
  spawn: 'spawn `/bin/true`',
  connect: 'TCP connect to an own server, accept, close',
  'open-threads': 'open and close, 4 threads at once',
  workers: 'open and close, 8 workers at once',
  readFileSync: '`fs.readFileSync` of 4 KB',
  statSync: '`fs.statSync`',
  http: 'HTTP request, keep-alive, 16 at a time',
  read: '`read` of 64 bytes',
  write: '`write` of a byte',
  futex: '`futex` (wake)',
  epoll_wait: '`epoll_wait` without waiting',
}

const table = (head, rows) =>
  [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n')
const time = (ns) =>
  ns >= 1e6 ? `${(ns / 1e6).toFixed(2)} ms` : ns >= 1000 ? `${(ns / 1000).toFixed(2)} µs` : `${ns.toFixed(0)} ns`
const spread = (numbers) => {
  const { median, spread: half } = summary(numbers)
  return `${time(median)} ±${(half * 100).toFixed(0)} %`
}
const times = (numbers, base) => {
  if (base === undefined) return '–'
  const { median, low, high } = ratio(numbers, base)
  return `**${median.toFixed(2)}** (${low.toFixed(2)}-${high.toFixed(2)})`
}

function operationsTable(operations) {
  const rows = Object.entries(operations)
    .filter(([, worlds]) => worlds.ours !== undefined)
    .map(([name, { plain, c, ours }]) => [
      NAMES[name] ?? name,
      spread(plain),
      c === undefined ? '–' : spread(c),
      spread(ours),
      times(ours, c),
      times(ours, plain),
    ])
  return table(['operation', 'unconfined', 'C broker', 'ours', 'ours / C', 'ours / unconfined'], rows)
}

function policyTable({ decisions, filter }) {
  const grants = table(
    ['grants in the manifest', 'a path decided for the first time'],
    Object.entries(decisions).map(([count, ns]) => [count, time(ns)]),
  )
  const calls = table(
    ['allowed call', 'instructions of the filter', 'after the first'],
    Object.entries(filter.calls).map(([name, { steps, constant }]) => [
      `\`${name}\``,
      steps,
      constant ? 'none: the kernel remembers' : steps,
    ]),
  )
  return `${grants}\n\nThe filter has ${filter.length} instructions.\n\n${calls}`
}

function suitesTable(suites) {
  const ms = (numbers) => `${summary(numbers).median.toFixed(0)}`
  const rows = Object.entries(suites).map(([name, { wall, cpu, parent }]) => [
    name,
    ms(wall.stock),
    ms(wall.ours),
    times(wall.ours, wall.stock),
    ms(cpu.stock),
    ms(cpu.ours),
    times(cpu.ours, cpu.stock),
    `${ms(parent.stock)} → ${ms(parent.ours)}`,
  ])
  return table(
    ['suite', 'forks, ms', 'ours, ms', 'ratio', 'forks, CPU ms', 'ours, CPU ms', 'ratio', 'parent at most, MiB'],
    rows,
  )
}

/** Of each suite what it was to take at most, and what it takes by each Node: `found` as usual.mjs has it. */
export function usualTable(found, suites, base) {
  const versions = Object.keys(found).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  const cells = (measures) => {
    if (measures === undefined) return ['–', '–', '–']
    const { wall, cpu, parent } = measures
    const size = (numbers) => summary(numbers).median.toFixed(0)
    return [
      times(wall.ours, wall[base]),
      cpu === undefined ? '–' : times(cpu.ours, cpu[base]),
      parent === undefined ? '–' : `${size(parent[base])} → ${size(parent.ours)}`,
    ]
  }
  return table(
    ['suite', 'at most', ...versions.flatMap((version) => [`Node ${version}: time`, 'CPU time', 'Vitest, MiB'])],
    suites.map(({ name, aim }) => [
      name,
      aim?.map((one) => one.toFixed(2)).join(', ') ?? '–',
      ...versions.flatMap((version) => cells(found[version][name])),
    ]),
  )
}

/** Of what a dev server and a build do in Vitest's process: `found` as dev-server.mjs has it. */
export function devServerTable(found, modules) {
  const names = {
    cold: `${modules} modules over HTTP, cold`,
    warm: 'the same, once more',
    connection: 'a new connection, to the first byte',
    own: "one of Vitest's own process, to `connect`",
    build: 'a build',
  }
  const spreads = (numbers) => spread(numbers.map((ms) => ms * 1e6))
  const rows = Object.entries(found).map(([what, { wall, cpu }]) => [
    names[what],
    spreads(wall.stock),
    wall.c === undefined ? '–' : spreads(wall.c),
    spreads(wall.run),
    wall.c === undefined ? '–' : times(wall.c, wall.stock),
    times(wall.run, wall.stock),
    cpu === undefined ? '–' : times(cpu.run, cpu.stock),
  ])
  const worlds = ['Vitest alone', 'behind the C broker', 'with `run`']
  const ratios = ['C broker / alone', '`run` / alone', 'CPU time of that process, `run` / alone']
  return table(["in Vitest's process", ...worlds, ...ratios], rows)
}

function startTable(start) {
  const rows = Object.entries(start).map(([phase, { stock, ours }]) => {
    const [a, b] = [quantile(stock, 0.5), quantile(ours, 0.5)]
    return [phase, a.toFixed(1), b.toFixed(1), `**${(b / a).toFixed(2)}**`]
  })
  return table(['ms, or as said', 'forks', 'ours', 'ratio'], rows)
}

/** A section for each part that was measured. */
export function tables({ operations, policy, suites, start }, { rounds }) {
  const machine = `Linux ${release()}, Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim()}; medians of ${rounds} rounds, with half the distance between the quartiles or, for ratios of a round, the quartiles themselves.`
  return {
    machine,
    ...(operations === undefined ? {} : { operations: operationsTable(operations) }),
    ...(policy === undefined ? {} : { policy: policyTable(policy) }),
    ...(start === undefined ? {} : { start: startTable(start) }),
    ...(suites === undefined ? {} : { suites: suitesTable(suites) }),
  }
}

/** Puts each section between `<!-- bench:NAME -->` and `<!-- /bench -->`. */
export function renewDocument(sections) {
  let text = readFileSync(DOCUMENT, 'utf8')
  for (const [name, section] of Object.entries(sections)) {
    const mark = new RegExp(`(<!-- bench:${name} -->\n)[^]*?(\n<!-- /bench -->)`)
    if (!mark.test(text)) throw new Error(`docs/performance.md has no place for ${name}`)
    text = text.replace(mark, (_, before, after) => before + section + after)
  }
  writeFileSync(DOCUMENT, text)
}
