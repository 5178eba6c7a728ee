/**
 * npm run matrix -- [--only <glob>] [--dir <dir>] [--docker-profile <default.json>] [--write] [--list]
 *
 * Every supported pair of Vitest and Node, package manager, kind of module, place and user: each a fresh project with the packed
 * tarball, in which everyday tests, the list of file operations and ways out run in both worlds. For some pairs the group
 * `vitest` of the escape corpus, too. Results are kept in <dir>/results.json, and --write makes the tables in
 * docs/compatibility.md of them.
 *
 * Run it as root. `--docker-profile`: https://github.com/moby/profiles/blob/main/seccomp/default.json
 */
import { randomUUID } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { release, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { CELLS } from './cells.mjs'
import { judge, worlds } from './check.mjs'
import { layOut } from './project.mjs'
import { writeTables } from './tables.mjs'
import { nodeOf, run, tarballOf } from './tools.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '**' }, dir: { type: 'string' }, 'docker-profile': { type: 'string' },
    write: { type: 'boolean', default: false }, list: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false }, 'no-corpus': { type: 'boolean', default: false },
  },
})
/** nobody(65534) exists everywhere. */
const USER = '65534'
const base = resolve(options.dir ?? join(realpathSync(tmpdir()), 'vitest-pool-seccomp-matrix'))
const wanted = picomatch(options.only, { bash: true })
const cells = CELLS.filter(({ name, group }) => wanted(name) || wanted(group))
const hasThree = Object.hasOwn(JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')).exports, './vitest3')
const file = join(base, 'results.json')
const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}

/** The words before `node …`. */
function wrapper(as) {
  const plainUser = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--']
  const container = (...more) => [
    process.execPath, join(repository, 'scripts/matrix/container.mjs'), '--profile', resolve(options['docker-profile']), ...more, '--',
  ]
  // As a container's runtime lays it out: the command is process 1, and what /proc tells of the kernel cannot be changed.
  const masked = 'mount --bind /dev/null /proc/keys && mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$@"'
  const processOne = ['unshare', '--pid', '--fork', '--mount', '--mount-proc', 'sh', '-c', masked, 'sh']
  return {
    root: [], user: plainUser, userns: [...plainUser, 'unshare', '--user', '--'],
    'userns-root': [...plainUser, 'unshare', '--user', '--map-root-user', '--'],
    'no-capabilities': ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'],
    docker: () => container(), 'docker+SYS_PTRACE': () => container('--add', 'SYS_PTRACE'),
    'docker+SYS_PTRACE user': () => container('--add', 'SYS_PTRACE', '--user', USER),
    'process 1': processOne,
    'docker+pidfd_getfd process 1': () => [...processOne, 'setpriv', '--no-new-privs', '--', ...container('--allow', 'pidfd_getfd')],
    'docker+pidfd_getfd': () => container('--allow', 'pidfd_getfd'),
    'docker+pidfd_getfd user': () => container('--allow', 'pidfd_getfd', '--user', USER),
  }[as]
}

function cannotRun({ vitest, as }) {
  if (vitest.startsWith('3') && !hasThree) return 'there is no adapter for it in this checkout'
  if (as.startsWith('docker') && options['docker-profile'] === undefined) return '--docker-profile was not given'
  return undefined
}

async function examine(cell) {
  const node = await nodeOf(base, cell.node)
  const dir = join(base, 'cell')
  const place = await layOut(dir, cell, { tarball, node })
  const secret = `canary-${randomUUID()}`
  const outside = join(dir, 'outside')
  const home = join(dir, 'home')
  const tmp = join(dir, 'tmp')
  for (const made of [outside, home, tmp]) mkdirSync(made)
  writeFileSync(join(outside, 'secret.txt'), secret)
  const user = /user/.test(cell.as)
  if (user) execFileSync('chown', ['-R', `${USER}:${USER}`, dir])
  const server = createServer((socket) => socket.end('reached')).listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  const env = {
    PATH: `${node}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: home, TMPDIR: tmp, LANG: 'C.UTF-8', NO_COLOR: '1',
    MATRIX_SECRET: join(outside, 'secret.txt'), MATRIX_PORT: String(server.address().port), MATRIX_VITEST: cell.vitest,
  }
  const both = await worlds(place, cell, {
    as: callable(wrapper(cell.as)), env, between: () => execFileSync('sh', ['-c', 'rm -f written-* moved-*'], { cwd: outside }),
  })
  server.close()
  const wrong = judge(both, { ...cell, secret, outside })
  if (cell.corpus && !options['no-corpus']) wrong.push(...await corpus(place, node))
  return { wrong, note: noteOf(both.ours, cell) }
}

const callable = (value) => (typeof value === 'function' ? value() : value)

function noteOf({ tests = [], ways }, { expect }) {
  if (expect === 'unsupported') return 'refuses to run, and says what is missing'
  if (expect === 'unconfined') return 'runs unconfined, and says so'
  const passed = tests.filter(({ name, file: of, status }) => name !== '(file)' && of === 'everyday' && status === 'passed').length
  return `${passed} everyday tests, ${ways.length} ways out closed`
}

/** The ways out that need a Vitest around them. */
async function corpus(place, node) {
  const vitest = realpathSync(join(place.start, 'node_modules/vitest/vitest.mjs'))
  const args = [join(repository, 'scripts/escapes/vitest.mjs'), '--confined-only', '--vitest', vitest, '--node', join(node, 'node')]
  const { code, output } = await run(process.execPath, args, { cwd: repository, seconds: 900 })
  return code === 0 ? [] : [`the escape corpus: ${output.trim().split('\n').slice(-8).join('\n    ')}`]
}

if (options.list) {
  for (const { group, name } of cells) console.log(`${group}: ${name}`)
  process.exit(0)
}
mkdirSync(base, { recursive: true })
chmodSync(base, 0o755)
const tarball = await tarballOf(base, repository)
let red = 0
for (const cell of cells) {
  const why = cannotRun(cell)
  const begun = performance.now()
  const { wrong, note } = why === undefined
    ? await examine(cell).catch((error) => ({ wrong: [error.message], note: '' })) : { wrong: [], note: `not run: ${why}` }
  const state = why === undefined ? (wrong.length === 0 ? 'green' : 'RED') : 'not run'
  if (state === 'RED') red += 1
  results[cell.name] = { state, note, wrong }
  writeFileSync(file, JSON.stringify(results, null, 2))
  console.log(`${state.padEnd(8)} ${cell.name} (${((performance.now() - begun) / 1000).toFixed(0)} s)${wrong.map((line) => `\n    ${line}`).join('')}`)
}
if (!options.keep) rmSync(join(base, 'cell'), { recursive: true, force: true })
if (options.write) writeTables(join(repository, 'docs/compatibility.md'), { cells: CELLS, results, kernel: release() })
process.exit(red === 0 ? 0 : 1)
