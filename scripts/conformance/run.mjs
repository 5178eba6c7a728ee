/**
 * Suites that nobody here wrote, plain and confined: do honest programs notice?
 *
 *   npm run conformance -- --node DIR --ltp DIR --pjdfstest DIR [--only <glob>] [--shard <i>/<n>] [--jobs <n>] [--json FILE]
 *   npm run conformance -- --write FILE...
 *
 * The directories hold what their projects publish, built as their own pages say; nothing of it is part of this project.
 * `--node`: a checkout of Node, for its tests, or `GITDIR#COMMIT`, from which they are taken; `--runtime` runs them (default: the Node that
 * runs this). `--ltp`: an installed Linux Test Project (`--ltp-list`: its list of system calls, where it is elsewhere). `--pjdfstest`: a built
 * checkout.
 *
 * A program whose verdicts differ is run once more in both worlds. If they differ again it is run plain under a filter that refuses what no
 * manifest grants: where that explains the difference it is a declared one; the others have a line in `known.mjs` or are defects.
 * `--json` keeps the results, so that a suite can be run in parts; `--write` makes the tables in docs/compatibility.md of such files.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { explained } from './known.mjs'
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
    'ltp-list': { type: 'string' },
    only: { type: 'string', default: '**' },
    shard: { type: 'string', default: '1/1' },
    jobs: { type: 'string', default: '2' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})

function usage(message) {
  process.stderr.write(`conformance: ${message}\n`)
  process.exit(2)
}

if (options.write) {
  if (positionals.length === 0) usage('--write needs the files that --json made')
  const runs = positionals.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')))
  process.exit(writeTables(join(project, 'docs/compatibility.md'), runs) ? 0 : 1)
}

const chosen = Object.entries(SUITES).filter(([name]) => options[name] !== undefined)
if (chosen.length === 0) usage('name at least one of --node DIR, --ltp DIR, --pjdfstest DIR')
const [shard, shards] = options.shard.split('/').map(Number)
if (!(shard >= 1 && shard <= shards)) usage(`--shard: expected <i>/<n>, found ${options.shard}`)

const dist = join(project, 'dist')
const scratchRoot = realpathSync(mkdtempSync(join(tmpdir(), 'conformance-')))
const worlds = { ...(await plainWorlds(dist, scratchRoot)), confined: await confinement(dist) }
const isWanted = picomatch(options.only)

/** Empty for each run, so that none meets what another left; the directory stays, because what may run there is tied to it. */
function inScratch(scratch, program) {
  mkdirSync(scratch, { recursive: true, mode: 0o777 })
  for (const name of readdirSync(scratch)) rmSync(join(scratch, name), { recursive: true, force: true })
  return program
}

async function compared(suite, program, names, { scratch, manifest, root }) {
  const seen = {}
  for (const world of names) {
    const result = await worlds[world](inScratch(scratch, program), { manifest, root })
    seen[world] = { verdict: suite.verdict(result), ...result }
  }
  return seen
}

const differs = ({ plain: one, confined: other }) => one.verdict !== other.verdict

async function examined(suite, program, job) {
  const seen = await compared(suite, program, ['plain', 'confined'], job)
  if (!differs(seen)) return seen
  const again = await compared(suite, program, ['plain', 'confined'], job)
  return differs(again) ? { ...again, ...(await compared(suite, program, ['filtered'], job)) } : again
}

/** A git directory and a commit: its tests, taken out. */
function directoryOf(name) {
  const [source, commit] = options[name].split('#')
  if (commit === undefined) return realpathSync(resolve(source))
  const dir = join(scratchRoot, `${name}-source`)
  mkdirSync(dir)
  const archive = execFileSync('git', [`--git-dir=${resolve(source)}`, 'archive', commit, 'test'], {
    maxBuffer: 1 << 30,
  })
  execFileSync('tar', ['-x', '-C', dir], { input: archive })
  return dir
}

async function runSuite([name, suite]) {
  const dir = directoryOf(name)
  const context = (job) => {
    const scratch = join(scratchRoot, `${name}-${job}`)
    return { scratch, root: dir, manifest: suite.manifest(dir, scratch, options.runtime) }
  }
  const given = (scratch) => ({ scratch, runtime: options.runtime, list: options['ltp-list'] })
  const jobs = Array.from({ length: Number(options.jobs) }, (_, job) => context(job))
  const names = suite
    .programs(dir, given(jobs[0].scratch))
    .map((program) => program.name)
    .filter((program) => isWanted(program))
    .filter((_, index) => index % shards === shard - 1)
  const results = []
  const version = versionOf(name, dir)
  await Promise.all(
    jobs.map(async (job) => {
      const programs = new Map(suite.programs(dir, given(job.scratch)).map((program) => [program.name, program]))
      for (let program = names.shift(); program !== undefined; program = names.shift()) {
        const seen = await examined(suite, programs.get(program), job)
        results.push(kept(name, version, program, seen))
        if (differs(seen)) process.stdout.write(`${toldOf(results.at(-1))}\n`)
      }
    }),
  )
  process.stdout.write(`${suite.title}: ${results.length} programs, ${results.filter(differs).length} differ\n`)
  return results
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
  try {
    return execFileSync('git', ['-C', dir, 'log', '-1', '--format=%h'], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    // An installed copy knows no commit.
    return 'as installed'
  }
}

const results = []
for (const suite of chosen) results.push(...(await runSuite(suite)))
rmSync(scratchRoot, { recursive: true, force: true })
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, undefined, 1))
process.exit(results.some((result) => differs(result) && explained(result) === undefined) ? 1 : 0)
