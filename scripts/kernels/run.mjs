/**
 * npm run kernels -- [--only <glob>] [--jobs <glob>] [--dir <dir>] [--items <glob>] [--rest]
 *                    [--seconds <n>] [--slow <times>] [--suite-mirrors <git directories>] [--without-operations] [--write] [--list]
 *
 * Boots Debian's kernels under qemu, one after the other and without KVM, each with Node, this repository as built and a project that
 * uses the packed tarball as its initial file system. In each, as root and as a user: doctor, everyday tests, file operations and ways out;
 * programs of unix sockets and PostgreSQL over one, both parts of the escape corpus with short races, the tests of everything near the
 * kernel, and with --suite-mirrors real suites. --write makes the table of docs/compatibility.md of all that was run so far in <dir>.
 *
 * Needs Debian, root for apt-get, some 3 GB of memory and of disk, and minutes for each machine. Installs what is missing of
 * qemu-system-x86, qemu-system-arm, cpio and xz-utils, and downloads kernels and libraries of Debian's releases (DEBIAN_MIRROR says from
 * where). What a machine printed is in <dir>/logs. --without-operations leaves out the list of file operations, by far the longest.
 *
 * The corpus and the tests take hours on an emulated processor, so they can be run in pieces: --items takes some of their programs and
 * files, --seconds ends each job after a time, --rest goes on with what has no result yet. The table says how many of how many were run;
 * --only none --write makes it of what is there. --slow: how many times slower a machine is taken to be, for the time limits (6; more
 * where two machines run at once).
 */
import { spawn } from 'node:child_process'
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { GROUPS, programsOf } from '../escapes/corpus.mjs'
import { FINE } from '../escapes/table.mjs'
import { RACE_SHARE, SUITES } from '../matrix/parts.mjs'
import { must, nodeOf, tarballOf } from '../matrix/tools.mjs'
import { cellOf, installFor, makeImage } from './image.mjs'
import { CONSOLE, MACHINES, QEMU } from './machines.mjs'
import { Apt, installTools } from './packages.mjs'
import { writeTable } from './table.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '*' },
    jobs: { type: 'string', default: '*' },
    dir: { type: 'string' },
    items: { type: 'string', default: '**' },
    rest: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    slow: { type: 'string', default: '6' },
    write: { type: 'boolean', default: false },
    'suite-mirrors': { type: 'string' },
    list: { type: 'boolean', default: false },
    'without-operations': { type: 'boolean', default: false },
  },
})
const wanted = picomatch(options.only)
const machines = MACHINES.filter(({ name }) => wanted(name)).map((machine) =>
  options['without-operations'] ? { ...machine, list: false } : machine,
)
if (options.list) {
  for (const { name, suite } of machines) process.stdout.write(`${name} (${suite})\n`)
  process.exit(0)
}

const MEMORY_MB = 3072
/** Until the first process of a machine speaks. */
const BOOT_SECONDS = 900

const SLOW = Number(options.slow)
const NEAR_THE_KERNEL = ['broker', 'syscalls', 'sys', 'live', 'transparency', 'evidence']

const testFiles = () =>
  NEAR_THE_KERNEL.flatMap((dir) =>
    readdirSync(join(repository, 'test', dir), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => `test/${dir}/${name}`),
  )

/**
 * What is tried on a machine, in this order. `confined`: what a
 * machine that refuses has nothing to try on. `as: 'user'`: not as root. `yama`: kernel.yama.ptrace_scope. `code`: how it must end.
 * `items`: what it consists of; the command takes those that are to run.
 */
function jobsOf(machine) {
  const node = ['/usr/bin/node']
  const minutes = `${SLOW * 90_000}`
  const more = [`--testTimeout=${minutes}`, `--hookTimeout=${minutes}`]
  const reporters = ['--reporter=./scripts/kernels/reporter.mjs', '--reporter=verbose']
  const vitest = [...node, 'node_modules/vitest/vitest.mjs', 'run', ...more, ...reporters]
  // `npm run escapes` shows that the programs get out unconfined, on the processor of this machine. For another one, the job does.
  const slowly = [...(machine.arch === process.arch ? ['--confined-only'] : []), '--slow', `${SLOW}`]
  const corpus = (script) => (names) => [
    ...node,
    `scripts/escapes/${script}.mjs`,
    ...slowly,
    '--only',
    names.length === 1 ? names[0] : `{${names.join(',')}}`,
  ]
  const doctor = {
    command: [...node, 'dist/cli/bin.js', 'doctor'],
    seconds: 600,
    code: machine.expect === 'refused' ? 1 : 0,
  }
  const project = (cell) => ({ command: [...node, 'scripts/kernels/guest.mjs', JSON.stringify(cell)], seconds: 3600 })
  const whole = project(cellOf(machine))
  const short = project(cellOf({ ...machine, list: false }))
  const all = [
    { name: 'doctor', ...doctor },
    { name: 'doctor, user', ...doctor, as: 'user' },
    { name: 'doctor, user, Yama 1', ...doctor, as: 'user', yama: 1, confined: true },
    { name: 'doctor, user, Yama 2', ...doctor, as: 'user', yama: 2, confined: true, code: 1 },
    { name: 'doctor, Yama 2', ...doctor, yama: 2, confined: true },
    { name: 'project', ...whole },
    { name: 'project, user', ...short, as: 'user', yama: 1, confined: true },
    { name: 'unix sockets', command: [...node, 'scripts/kernels/sockets.mjs'], seconds: 900, confined: true },
    ...SUITES.map((name) => ({
      name: `suite ${name}`,
      command: [...node, 'scripts/suites/run.mjs', '--dir', '/suites', '--installed', name],
      seconds: 3600,
      confined: true,
    })),
    {
      name: 'kernel tests',
      items: testFiles(),
      command: (files) => [...vitest, ...files],
      env: { SLOW: `${SLOW}` },
      seconds: 7200,
      confined: true,
    },
    {
      name: 'escapes',
      items: programsOf(...GROUPS),
      command: corpus('run'),
      env: { ESCAPES_RACE_SHARE: `${RACE_SHARE}` },
      seconds: 7200,
      confined: true,
    },
    {
      name: 'escapes in Vitest',
      items: programsOf('vitest'),
      command: corpus('vitest'),
      seconds: 7200,
      confined: true,
    },
  ]
  const chosen = picomatch(options.jobs)
  const wantedItem = picomatch(options.items)
  const isLeft = (job, item) => !options.rest || results[machine.name]?.jobs[job]?.items?.[item] === undefined
  return all
    .filter(({ name, confined = false }) => {
      const fits = !confined || machine.expect === 'confined'
      return fits && chosen(name) && (options['suite-mirrors'] !== undefined || !name.startsWith('suite '))
    })
    .map(({ items, command, ...job }) => {
      const left = items?.filter((item) => wantedItem(item) && isLeft(job.name, item))
      return { ...job, all: items?.length, left, command: left === undefined ? command : command(left) }
    })
    .filter(({ left }) => left === undefined || left.length > 0)
    .map(({ env = {}, code = 0, seconds, ...job }) => ({
      ...job,
      env,
      code,
      seconds: Math.min(seconds, Number(options.seconds ?? seconds)),
      cwd: '/project',
    }))
}

/** A line of the corpus's table. */
const PROGRAM = new RegExp(`^(ok|[a-zA-Z]+(?: [a-zA-Z]+)*) +((?:vitest|${GROUPS.join('|')})/\\S+)`)

/**
 * Runs a machine to its end; where it does not come to one, its process is ended by its id. `no_timer_check`: on a machine as slow as this
 * one the kernel would take its timer for broken.
 */
function boot(machine, { vmlinuz, image }, jobs, log, seconds) {
  const [program, ...more] = QEMU[machine.arch]
  const child = spawn(
    'nice',
    [
      '-n',
      '10',
      program,
      ...more,
      '-accel',
      'tcg',
      '-smp',
      '2',
      '-m',
      String(MEMORY_MB),
      '-kernel',
      vmlinuz,
      '-initrd',
      image,
      '-nographic',
      '-no-reboot',
      '-net',
      'none',
      '-append',
      `console=${CONSOLE[machine.arch]} quiet panic=-1 no_timer_check ${machine.append ?? ''}`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const result = { jobs: {} }
  const file = createWriteStream(log)
  let job
  const end = () => child.kill('SIGKILL')
  let timer = setTimeout(end, BOOT_SECONDS * 1000)
  // What it has done so far counts.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, end)
  createInterface({ input: child.stdout }).on('line', (line) => {
    file.write(`${line}\n`)
    const [, what, rest] = /@@ (up|begins|ends|found|item|failed|off|cannot)(?: (.*?))?\r?$/.exec(line) ?? []
    if (what === 'up') {
      Object.assign(result, JSON.parse(rest))
      clearTimeout(timer)
      timer = setTimeout(end, seconds * 1000)
    }
    if (what === 'begins') {
      const { all } = jobs.find(({ name }) => name === rest)
      job = { lines: [], ...(all === undefined ? {} : { all, items: {} }) }
      result.jobs[rest] = job
      process.stdout.write(`  ${rest} …`)
    } else if (what === 'found') job.found = JSON.parse(rest)
    else if (what === 'item') {
      const { name, ...item } = JSON.parse(rest)
      job.items[name] = item
    } else if (what === 'ends') {
      const { code, signal, seconds: took } = JSON.parse(rest)
      Object.assign(job, { code, signal, seconds: took })
      process.stdout.write(` ${code ?? signal} (${Math.round(took)} s)\n`)
    } else {
      job?.lines.push(line.replace(/\r$/, ''))
      const [, verdict, name] = PROGRAM.exec(line) ?? []
      if (name !== undefined && job?.items !== undefined)
        job.items[name] = { isFine: FINE.has(verdict), verdict, isTimeUp: line.includes('no result (time limit)') }
    }
  })
  return new Promise((done) => {
    child.once('close', () => {
      clearTimeout(timer)
      file.end()
      done(result)
    })
  })
}

/** Checkouts of the suites, with the package in them; undefined where none is run. */
async function suitesFor(arch, jobs) {
  if (!jobs.some(({ name }) => name.startsWith('suite '))) return undefined
  const dir = join(base, arch === process.arch ? 'suites' : `suites-${arch}`)
  if (!existsSync(dir)) {
    const mirrors = resolve(options['suite-mirrors'])
    const script = join(repository, 'scripts/suites/prepare.mjs')
    await must(process.execPath, [script, '--dir', dir, '--mirrors', mirrors, '--vitest', '4.1', ...SUITES], {
      seconds: 600,
    })
  }
  for (const name of SUITES)
    await must(
      'npm',
      ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--legacy-peer-deps', tarball],
      {
        cwd: join(dir, name),
        seconds: 300,
      },
    )
  return dir
}

/** What is known of a job, and what was found now: of one in pieces, both. */
function merged(before, now) {
  if (before?.items === undefined || now.items === undefined) return now
  return { ...now, items: { ...before.items, ...now.items } }
}

const base = resolve(options.dir ?? join(realpathSync(tmpdir()), 'vitest-pool-seccomp-kernels'))
mkdirSync(join(base, 'logs'), { recursive: true })
const file = join(base, 'results.json')
const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
await installTools()
const apt = new Apt(base)
const tarball = await tarballOf(base, repository)
const bin = await nodeOf(base, 20)
let isWrong = false
for (const machine of machines) {
  process.stdout.write(`${machine.name}\n`)
  const jobs = jobsOf(machine)
  installFor(machine.arch)
  const debs = {
    kernel: await apt.kernel(machine),
    foreign: machine.arch === process.arch ? [] : await apt.foreign(machine.arch),
  }
  const made = await makeImage(base, machine, {
    debs,
    tarball,
    node: bin,
    jobs,
    suites: await suitesFor(machine.arch, jobs),
  })
  const log = join(base, 'logs', `${machine.name.replaceAll(' ', '-')}.log`)
  const seconds = jobs.reduce((sum, job) => sum + job.seconds + 60, 60)
  const result = await boot(machine, made, jobs, log, seconds)
  if (result.release === undefined) {
    // What an earlier run found stays.
    process.stdout.write(`  it did not come up: ${log}\n`)
    isWrong = true
    continue
  }
  const before = results[machine.name]
  const known = before !== undefined && before.release === result.release ? before.jobs : {}
  const found = Object.entries(result.jobs).map(([name, job]) => [name, merged(known[name], job)])
  results[machine.name] = { ...result, jobs: { ...known, ...Object.fromEntries(found) } }
  writeFileSync(file, JSON.stringify(results, null, 1))
  for (const { name, code: wantedCode } of jobs) {
    const { code, found } = result.jobs[name] ?? {}
    for (const line of found?.wrong ?? []) process.stdout.write(`    ${name}: ${line}\n`)
    isWrong ||= code !== wantedCode
  }
}
if (options.write) writeTable(join(repository, 'docs/compatibility.md'), MACHINES, results)
process.exit(isWrong ? 1 : 0)
