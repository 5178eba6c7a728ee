/**
 * npm run kernels -- [--only <glob>] [--jobs <glob>] [--dir <dir>] [--escapes <glob>] [--write] [--list]
 *
 * Boots Debian's kernels under qemu, one after the other and without KVM, each with Node, this repository as built and a project that
 * uses the packed tarball as its initial file system. In each: doctor, everyday tests, file operations and ways out, the programs
 * of unix sockets, the tests of system calls, and the escape corpus, whose races are short. --write makes the table of docs/compatibility.md of it.
 *
 * Needs Debian, root for apt-get, some 3 GB of memory and of disk, and minutes for each machine. Installs what is missing of
 * qemu-system-x86, qemu-system-arm, cpio and xz-utils, and downloads kernels and libraries of Debian's releases (DEBIAN_MIRROR says from
 * where). What a machine printed is in <dir>/logs.
 */
import { spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { tarballOf } from '../matrix/tools.mjs'
import { cellOf, makeImage } from './image.mjs'
import { CONSOLE, MACHINES, QEMU } from './machines.mjs'
import { Apt, installTools } from './packages.mjs'
import { writeTable } from './table.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '*' },
    jobs: { type: 'string', default: '*' },
    dir: { type: 'string' },
    escapes: { type: 'string', default: '**' },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
})
const wanted = picomatch(options.only)
const machines = MACHINES.filter(({ name }) => wanted(name))
if (options.list) {
  for (const { name, suite } of machines) process.stdout.write(`${name} (${suite})\n`)
  process.exit(0)
}

const MEMORY_MB = 3072
/** Until the first process of a machine speaks. */
const BOOT_SECONDS = 900

/** `on`: what is written for one processor, as the corpus's machine code. `confined`: what a machine that refuses has nothing to try on. */
function jobsOf(machine) {
  const node = ['/usr/bin/node']
  const vitest = [...node, 'node_modules/vitest/vitest.mjs', 'run', '--testTimeout=120000', '--hookTimeout=120000']
  const corpus = ['scripts/escapes/run.mjs', '--confined-only', '--slow', '6', '--only', options.escapes]
  const all = [
    { name: 'doctor', command: [...node, 'dist/cli/bin.js', 'doctor'], seconds: 600 },
    {
      name: 'unix sockets',
      command: [...node, 'scripts/kernels/sockets.mjs'],
      seconds: 900,
      on: 'x64',
      confined: true,
    },
    {
      name: 'project',
      command: [...node, 'scripts/kernels/guest.mjs', JSON.stringify(cellOf(machine))],
      seconds: 3600,
    },
    {
      name: 'escapes',
      command: [...node, ...corpus],
      env: { ESCAPES_RACE_SHARE: '0.25' },
      seconds: 7200,
      on: 'x64',
      confined: true,
    },
    {
      name: 'system calls',
      command: [...vitest, 'test/syscalls', 'test/sys', 'test/live'],
      seconds: 3600,
      on: 'x64',
      confined: true,
    },
  ]
  const chosen = picomatch(options.jobs)
  return all
    .filter(({ name, on = machine.arch, confined = false }) => {
      const fits = on === machine.arch && (!confined || machine.expect === 'confined')
      return fits && chosen(name)
    })
    .map(({ name, command, seconds, env = {} }) => ({ name, command, seconds, env, cwd: '/project' }))
}

/**
 * Runs a machine to its end; where it does not come to one, its process is ended by its id. `no_timer_check`: on a machine as slow as this
 * one the kernel would take its timer for broken.
 */
function boot(machine, { vmlinuz, image }, log, seconds) {
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
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => (end(), process.exit(1)))
  createInterface({ input: child.stdout }).on('line', (line) => {
    file.write(`${line}\n`)
    const [, what, rest] = /@@ (up|begins|ends|found|failed|off|cannot)(?: (.*?))?\r?$/.exec(line) ?? []
    if (what === 'up') {
      Object.assign(result, JSON.parse(rest))
      clearTimeout(timer)
      timer = setTimeout(end, seconds * 1000)
    }
    if (what === 'begins') {
      job = { lines: [] }
      result.jobs[rest] = job
      process.stdout.write(`  ${rest} …`)
    } else if (what === 'found') job.found = JSON.parse(rest)
    else if (what === 'ends') {
      const { code, signal, seconds: took } = JSON.parse(rest)
      Object.assign(job, { code, signal, seconds: took })
      process.stdout.write(` ${code ?? signal} (${Math.round(took)} s)\n`)
    } else job?.lines.push(line.replace(/\r$/, ''))
  })
  return new Promise((done) => {
    child.once('close', () => {
      clearTimeout(timer)
      file.end()
      done(result)
    })
  })
}

const base = resolve(options.dir ?? join(realpathSync(tmpdir()), 'vitest-pool-seccomp-kernels'))
mkdirSync(join(base, 'logs'), { recursive: true })
const file = join(base, 'results.json')
const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
await installTools()
const apt = new Apt(base)
const tarball = await tarballOf(base, repository)
let isWrong = false
for (const machine of machines) {
  process.stdout.write(`${machine.name}\n`)
  const jobs = jobsOf(machine)
  const debs = {
    kernel: await apt.kernel(machine),
    libraries: machine.arch === process.arch ? [] : await apt.libraries(machine.arch),
  }
  const made = await makeImage(base, machine, { debs, tarball, jobs })
  const log = join(base, 'logs', `${machine.name.replaceAll(' ', '-')}.log`)
  const seconds = jobs.reduce((sum, job) => sum + job.seconds + 60, 60)
  const result = await boot(machine, made, log, seconds)
  if (result.release === undefined) process.stdout.write(`  it did not come up: ${log}\n`)
  const before = results[machine.name]
  const known = before !== undefined && before.release === result.release ? before.jobs : {}
  results[machine.name] = { ...result, jobs: { ...known, ...result.jobs } }
  writeFileSync(file, JSON.stringify(results, null, 1))
  for (const [name, { code, found }] of Object.entries(result.jobs)) {
    for (const line of found?.wrong ?? []) process.stdout.write(`    ${name}: ${line}\n`)
    // doctor's own word for a machine that cannot confine.
    isWrong ||= code !== 0 && !(name === 'doctor' && machine.expect === 'refused')
  }
  isWrong ||= result.release === undefined || Object.keys(result.jobs).length < jobs.length
}
if (options.write) writeTable(join(repository, 'docs/compatibility.md'), MACHINES, results)
process.exit(isWrong ? 1 : 0)
