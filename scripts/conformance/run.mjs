/**
 * Suites that nobody here wrote, plain and confined: do honest programs notice?
 *
 *   npm run conformance -- --node DIR --ltp DIR --pjdfstest DIR [--only <glob>] [--jobs <n>] [--json <file>] [--write]
 *
 * The directories hold what their projects publish, built as their own pages say; nothing of it is part of this project.
 * `--node`: a checkout of Node, for its tests, which `--runtime` runs (default: the Node that runs this). `--ltp`: an installed Linux Test Project
 * (`--ltp-list`: its list of system calls, where it is elsewhere). `--pjdfstest`: a built checkout. A program whose verdicts differ is run
 * once more in both worlds, and told only if they differ again. `--write` makes the tables in docs/compatibility.md.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { SUITES } from './suites.mjs'
import { writeTables } from './tables.mjs'
import { confinement, plain } from './worlds.mjs'

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { values: options } = parseArgs({
  options: {
    node: { type: 'string' },
    ltp: { type: 'string' },
    pjdfstest: { type: 'string' },
    runtime: { type: 'string', default: process.execPath },
    'ltp-list': { type: 'string' },
    only: { type: 'string', default: '**' },
    jobs: { type: 'string', default: '2' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})

const chosen = Object.entries(SUITES).filter(([name]) => options[name] !== undefined)
if (chosen.length === 0) {
  process.stderr.write('conformance: name at least one of --node DIR, --ltp DIR, --pjdfstest DIR\n')
  process.exit(2)
}

const confined = await confinement(join(project, 'dist'))
const scratchRoot = realpathSync(mkdtempSync(join(tmpdir(), 'conformance-')))
const isWanted = picomatch(options.only)

/** Empty for each run, so that none meets what another left; the directory stays, because what may run there is tied to it. */
function inScratch(scratch, program) {
  mkdirSync(scratch, { recursive: true, mode: 0o777 })
  for (const name of readdirSync(scratch)) rmSync(join(scratch, name), { recursive: true, force: true })
  return program
}

async function compared(suite, program, { scratch, manifest, root }) {
  const worlds = { plain, confined: (given) => confined(given, { manifest, root }) }
  const seen = {}
  for (const [world, run] of Object.entries(worlds)) {
    const result = await run(inScratch(scratch, program))
    seen[world] = { verdict: suite.verdict(result), ...result }
  }
  return seen
}

const differs = ({ plain: one, confined: other }) => one.verdict !== other.verdict

async function runSuite([name, suite]) {
  const dir = realpathSync(resolve(options[name]))
  const context = (job) => {
    const scratch = join(scratchRoot, `${name}-${job}`)
    return { scratch, root: dir, manifest: suite.manifest(dir, scratch, options.runtime) }
  }
  const jobs = Array.from({ length: Number(options.jobs) }, (_, job) => context(job))
  const names = suite
    .programs(dir, { scratch: jobs[0].scratch, runtime: options.runtime, list: options['ltp-list'] })
    .map((program) => program.name)
    .filter((program) => isWanted(program))
  const results = []
  let next = 0
  await Promise.all(
    jobs.map(async (job) => {
      const programs = new Map(
        suite
          .programs(dir, { scratch: job.scratch, runtime: options.runtime, list: options['ltp-list'] })
          .map((program) => [program.name, program]),
      )
      while (next < names.length) {
        const program = names[next++]
        let seen = await compared(suite, programs.get(program), job)
        if (differs(seen)) seen = await compared(suite, programs.get(program), job)
        results.push({ program, ...seen })
        if (differs(seen)) process.stdout.write(`${program}: ${seen.plain.verdict} | ${seen.confined.verdict}\n`)
      }
    }),
  )
  const different = results.filter(differs)
  process.stdout.write(`${suite.title}: ${results.length} programs, ${different.length} differ\n`)
  return {
    name,
    title: suite.title,
    version: versionOf(name, dir),
    count: results.length,
    passing: results.filter(({ plain: { code } }) => code === 0).length,
    different: different.sort((one, other) => (one.program < other.program ? -1 : 1)),
  }
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

const told = []
for (const suite of chosen) told.push(await runSuite(suite))
rmSync(scratchRoot, { recursive: true, force: true })
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(told, undefined, 1))
if (options.write) writeTables(join(project, 'docs/compatibility.md'), told)
process.exit(told.some(({ different }) => different.length > 0) ? 1 : 0)
