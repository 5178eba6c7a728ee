/**
 * Suites that nobody here wrote, plain and confined: do honest programs notice?
 *
 *   npm run conformance -- [--suites node,ltp,pjdfstest] [--dir DIR] [--mirrors DIR] [--runtime FILE] [--only <glob>] [--shard <i>/<n>]
 *                          [--jobs <n>] [--seconds <n>] [--json FILE]
 *   npm run conformance -- --write FILE...
 *
 * `--suites`: which of them; without it all. They are brought to `--dir` from GitHub, or from git directories `<owner>+<name>/repo` in `--mirrors`,
 * and built there, once; `--node DIR`, `--ltp DIR` and `--pjdfstest DIR` run what is somewhere already. Nothing of it is part of this project.
 * `--runtime` runs Node's tests, those of its own major version (default: the Node that runs this).
 *
 * Programs run in batches. One whose verdicts differ is run once more, alone, in both worlds. If they differ again it is run plain under a filter that refuses what no
 * manifest grants: where that explains the difference it is a declared one; the others have a line in `known.mjs` or are defects.
 * `--seconds` is how long one may take, where its own time is too short for a busy machine.
 * `--json` keeps the results, so that a suite can be run in parts; `--write` makes the tables in docs/compatibility.md of such files.
 */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { explained } from './known.mjs'
import { bring } from './sources.mjs'
import { SUITES } from './suites.mjs'
import { writeTables } from './tables.mjs'
import { confinement, plainWorlds } from './worlds.mjs'

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string' },
    ltp: { type: 'string' },
    pjdfstest: { type: 'string' },
    runtime: { type: 'string', default: process.execPath },
    suites: { type: 'string' },
    dir: { type: 'string', default: join(tmpdir(), 'vitest-pool-seccomp-conformance') },
    mirrors: { type: 'string' },
    only: { type: 'string', default: '**' },
    shard: { type: 'string', default: '1/1' },
    jobs: { type: 'string', default: '2' },
    json: { type: 'string' },
    seconds: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})

function usage(message) {
  process.stderr.write(`conformance: ${message}\n`)
  process.exit(2)
}

if (options.write) {
  if (positionals.length === 0) usage('--write needs the files that --json made')
  const last = new Map()
  // What was run again counts as it came out then.
  for (const result of positionals.flatMap((file) => JSON.parse(readFileSync(file, 'utf8'))))
    last.set([result.suite, result.version, result.program].join(' '), result)
  process.exit(writeTables(join(project, 'docs/compatibility.md'), [...last.values()]) ? 0 : 1)
}

const there = Object.keys(SUITES).filter((name) => options[name] !== undefined)
const named = options.suites?.split(',') ?? (there.length > 0 ? there : Object.keys(SUITES))
for (const name of named)
  if (SUITES[name] === undefined) usage(`--suites: expected some of ${Object.keys(SUITES).join(', ')}, found ${name}`)
const chosen = named.map((name) => [name, SUITES[name]])
const [shard, shards] = options.shard.split('/').map(Number)
if (!(shard >= 1 && shard <= shards)) usage(`--shard: expected <i>/<n>, found ${options.shard}`)

const dist = join(project, 'dist')
const scratchRoot = realpathSync(mkdtempSync(join(tmpdir(), 'conformance-')))
const worlds = { ...(await plainWorlds(dist, scratchRoot)), confined: await confinement(dist) }
const isWanted = picomatch(options.only)

/** How many programs one process of a world runs. */
const BATCH = 20

/** Empty again, also of what no program could remove; the directory stays, because what may run there is tied to it. */
function empty(scratch) {
  mkdirSync(scratch, { recursive: true, mode: 0o777 })
  for (const name of readdirSync(scratch)) rmSync(join(scratch, name), { recursive: true, force: true })
}

async function inWorld(world, suite, programs, { scratch, manifest, root }) {
  empty(scratch)
  const results = await worlds[world](programs, { manifest, root })
  return programs.map((_, index) => {
    const result = results[index] ?? { error: 'not told' }
    return { verdict: suite.verdict(result), ...result }
  })
}

const differs = ({ plain: one, confined: other }) => one.verdict !== other.verdict

/** All of them at once; then each that differs alone. */
async function examined(suite, programs, job) {
  const plain = await inWorld('plain', suite, programs, job)
  const confined = await inWorld('confined', suite, programs, job)
  const seen = []
  for (const [index, program] of programs.entries()) {
    const first = { plain: plain[index], confined: confined[index] }
    seen.push(differs(first) || first.plain.error !== undefined ? await alone(suite, program, job) : first)
  }
  return seen
}

async function alone(suite, program, job) {
  const run = async (world) => (await inWorld(world, suite, [program], job))[0]
  const seen = { plain: await run('plain'), confined: await run('confined') }
  return differs(seen) ? { ...seen, filtered: await run('filtered') } : seen
}

function directoryOf(name) {
  if (options[name] !== undefined) return realpathSync(resolve(options[name]))
  mkdirSync(options.dir, { recursive: true })
  try {
    return bring(name, { ...options, dir: realpathSync(options.dir) })
  } catch (error) {
    return usage(error.message)
  }
}

const results = []
/** After each batch: a run that is cut short has told what it saw. */
function keep() {
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, undefined, 1))
}

/** For programs that take longer than theirs on a busy machine. */
const patience = options.seconds === undefined ? {} : { seconds: Number(options.seconds) }

async function runSuite([name, suite]) {
  const dir = directoryOf(name)
  const context = (job) => {
    const scratch = join(scratchRoot, `${name}-${job}`)
    return { scratch, root: dir, manifest: suite.manifest(dir, scratch, options.runtime) }
  }
  const given = (scratch) => ({ scratch, runtime: options.runtime })
  const jobs = Array.from({ length: Number(options.jobs) }, (_, job) => context(job))
  const names = suite
    .programs(dir, given(jobs[0].scratch))
    .map((program) => program.name)
    .filter((program) => isWanted(program))
    .filter((_, index) => index % shards === shard - 1)
  const version = versionOf(name, dir)
  await Promise.all(
    jobs.map(async (job) => {
      const programs = new Map(
        suite.programs(dir, given(job.scratch)).map((program) => [program.name, { ...program, ...patience }]),
      )
      while (names.length > 0) {
        const batch = names.splice(0, BATCH)
        const seen = await examined(
          suite,
          batch.map((program) => programs.get(program)),
          job,
        )
        for (const [index, program] of batch.entries()) {
          results.push(kept(name, version, program, seen[index]))
          if (differs(seen[index])) process.stdout.write(`${toldOf(results.at(-1))}\n`)
        }
        keep()
      }
    }),
  )
  const own = results.filter((result) => result.suite === name)
  process.stdout.write(`${suite.title}: ${own.length} programs, ${own.filter(differs).length} differ\n`)
}

/** Of what a program printed, the end, and only where the worlds differ. */
function kept(suite, version, program, seen) {
  const short = ({ verdict, code, output, incidents, faults }) => ({
    verdict,
    code,
    ...(differs(seen) ? { output: output?.slice(-2000), incidents, faults } : {}),
  })
  return {
    suite,
    version,
    program,
    ...Object.fromEntries(Object.entries(seen).map(([world, one]) => [world, short(one)])),
  }
}

function toldOf(result) {
  const { program, plain, filtered, confined } = result
  return `${explained(result) === undefined ? '!' : ' '} ${program}: ${plain.verdict} | ${filtered.verdict} | ${confined.verdict}`
}

function versionOf(name, dir) {
  if (name === 'node') return execFileSync(options.runtime, ['--version'], { encoding: 'utf8' }).trim()
  const file = join(dir, 'VERSION')
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  try {
    return execFileSync('git', ['-C', dir, 'log', '-1', '--format=%h'], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    // An installed copy knows no commit.
    return 'as installed'
  }
}

for (const suite of chosen) await runSuite(suite)
rmSync(scratchRoot, { recursive: true, force: true })
process.exit(results.some((result) => differs(result) && explained(result) === undefined) ? 1 : 0)
