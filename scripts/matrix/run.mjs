/**
 * npm run matrix -- [--only <glob>] [--dir <dir>] [--docker-profile <default.json>] [--containerd-profile <…go>]
 *                   [--podman-profile <seccomp.json>] [--suite-mirrors <git directories>]
 *                   [--jobs <cells at a time>] [--write] [--list] [--keep]
 *
 * Every supported pair of Vitest and Node, package manager, kind of module, place and user: each a fresh project with the packed
 * tarball, in which everyday tests, the list of file operations and ways out run in both worlds. On each pair of Vitest and Node
 * the demo, the escape corpus in Vitest's workers and two real suites as well. Results are kept in <dir>/results.json, what was
 * printed in <dir>/logs, and --write makes the tables in docs/compatibility.md of the results. Two cells run at a time unless told.
 *
 * Run it as root. The profiles of container runtimes, as they publish them:
 * --docker-profile      https://github.com/moby/profiles/blob/main/seccomp/default.json
 * --containerd-profile  https://github.com/containerd/containerd/blob/main/contrib/seccomp/seccomp_default.go
 * --podman-profile      https://github.com/containers/container-libs/blob/main/common/pkg/seccomp/seccomp.json
 */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { release, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { CELLS } from './cells.mjs'
import { examine } from './examine.mjs'
import { writeTables } from './tables.mjs'
import { tarballOf } from './tools.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '**' },
    dir: { type: 'string' },
    'docker-profile': { type: 'string' },
    'containerd-profile': { type: 'string' },
    'podman-profile': { type: 'string' },
    'suite-mirrors': { type: 'string' },
    jobs: { type: 'string', default: '2' },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})
const base = resolve(options.dir ?? join(realpathSync(tmpdir()), 'vitest-pool-seccomp-matrix'))
const wanted = picomatch(options.only, { bash: true })
const cells = CELLS.filter(({ name, group }) => wanted(name) || wanted(group))
if (options.list) {
  for (const { group, name } of cells) console.log(`${group}: ${name}`)
  process.exit(0)
}

const git = (...args) => execFileSync('git', args, { cwd: repository, encoding: 'utf8' }).trim()
/** Documentation is not what runs. */
const made = {
  commit: `${git('rev-parse', '--short=10', 'HEAD')}${git('status', '--porcelain', '--', ':!docs', ':!*.md') === '' ? '' : ' with changes'}`,
  date: new Date().toISOString().slice(0, 10),
}
const logs = join(base, 'logs')
mkdirSync(logs, { recursive: true })
chmodSync(base, 0o755)
const file = join(base, 'results.json')
const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
const tarball = await tarballOf(base, repository)

async function resultOf(cell, dir, logFile) {
  const [runtime] = /^(?:docker|containerd|podman)/.exec(cell.as) ?? []
  const profile = options[`${runtime}-profile`]
  if (runtime !== undefined && profile === undefined)
    return { state: 'not run', wrong: [`--${runtime}-profile was not given`], counts: {} }
  const begun = performance.now()
  const log = (part, text) =>
    appendFileSync(logFile, `=== ${part}, until ${Math.round((performance.now() - begun) / 1000)} s\n${text}\n`)
  const context = {
    base,
    dir,
    tarball,
    profile,
    mirrors: options['suite-mirrors'] && resolve(options['suite-mirrors']),
    log,
  }
  const { wrong, counts } = await examine(cell, context).catch((error) => ({ wrong: [error.stack], counts: {} }))
  log('wrong', wrong.join('\n'))
  return { state: wrong.length === 0 ? 'green' : 'RED', wrong, counts }
}

async function runCell(cell, lane) {
  const begun = performance.now()
  const log = join(logs, `${cell.name.replaceAll(/[^\w.+-]+/g, '-')}.log`)
  rmSync(log, { force: true })
  const result = await resultOf(cell, join(base, `cell-${lane}`), log)
  const seconds = Math.round((performance.now() - begun) / 1000)
  results[cell.name] = { ...result, ...made, seconds, log }
  writeFileSync(file, JSON.stringify(results, null, 2))
  const where = result.state === 'RED' ? [`log: ${log}`] : []
  console.log(
    `${result.state.padEnd(8)} ${cell.name} (${seconds} s)${[...result.wrong, ...where].map((line) => `\n    ${line}`).join('')}`,
  )
}

const queue = [...cells]
async function work(lane) {
  for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) await runCell(cell, lane)
}
await Promise.all(Array.from({ length: Number(options.jobs) }, (_, lane) => work(lane)))
if (!options.keep)
  for (let lane = 0; lane < Number(options.jobs); lane++)
    rmSync(join(base, `cell-${lane}`), { recursive: true, force: true })
if (options.write) writeTables(join(repository, 'docs/compatibility.md'), { cells: CELLS, results, kernel: release() })
process.exit(cells.some(({ name }) => results[name].state === 'RED') ? 1 : 0)
