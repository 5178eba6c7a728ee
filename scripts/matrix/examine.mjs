import { execFileSync } from 'node:child_process'
/** One cell: its project is laid out and installed, and runs in both worlds, as whom the cell says. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { judge, worlds } from './check.mjs'
import { parts } from './parts.mjs'
import { layOut } from './project.mjs'
import { nodeOf } from './tools.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
/** nobody(65534) exists everywhere. */
const USER = '65534'

/** The words before `node …`. */
function wrapper(as, profile) {
  const plainUser = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--']
  const container = (...more) => [
    process.execPath,
    join(repository, 'scripts/matrix/container.mjs'),
    '--profile',
    resolve(profile),
    ...more,
    '--',
  ]
  // As a container's runtime lays it out: the command is process 1, and what /proc tells of the kernel cannot be changed.
  const masked =
    'mount --bind /dev/null /proc/keys && mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$@"'
  const processOne = ['unshare', '--pid', '--fork', '--mount', '--mount-proc', 'sh', '-c', masked, 'sh']
  return {
    root: () => [],
    user: () => plainUser,
    userns: () => [...plainUser, 'unshare', '--user', '--'],
    'userns-root': () => [...plainUser, 'unshare', '--user', '--map-root-user', '--'],
    'no-capabilities': () => ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'],
    docker: () => container(),
    'docker user': () => container('--user', USER),
    'docker-process_vm_readv': () => container('--deny', 'process_vm_readv'),
    containerd: () => container(),
    'podman user': () => container('--user', USER),
    'docker+SYS_PTRACE': () => container('--add', 'SYS_PTRACE'),
    'docker+SYS_PTRACE user': () => container('--add', 'SYS_PTRACE', '--user', USER),
    'process 1': () => processOne,
    'docker+pidfd_getfd process 1': () => [
      ...processOne,
      'setpriv',
      '--no-new-privs',
      '--',
      ...container('--allow', 'pidfd_getfd'),
    ],
    'docker+pidfd_getfd': () => container('--allow', 'pidfd_getfd'),
    'docker+pidfd_getfd user': () => container('--allow', 'pidfd_getfd', '--user', USER),
  }[as]()
}

/** `dir`: the cell's own, made anew. `log(part, text)` takes what was printed. Returns `wrong`, a line each, and what was counted. */
export async function examine(cell, { base, dir, tarball, profile, mirrors, log }) {
  const node = await nodeOf(base, cell.node)
  const place = await layOut(base, dir, cell, { tarball, node })
  const secret = `canary-${randomUUID()}`
  const [outside, home, tmp] = ['outside', 'home', 'tmp'].map((name) => join(dir, name))
  for (const made of [outside, home, tmp]) mkdirSync(made)
  writeFileSync(join(outside, 'secret.txt'), secret)
  const owner = cell.owner ?? (/user/.test(cell.as) ? `${USER}:${USER}` : undefined)
  if (owner !== undefined) execFileSync('chown', ['-R', owner, dir])
  if (cell.mode !== undefined) execFileSync('chmod', ['-R', cell.mode, dir])
  const server = createServer((socket) => socket.end('reached')).listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  const env = {
    PATH: `${node}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: home,
    TMPDIR: tmp,
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
    MATRIX_SECRET: join(outside, 'secret.txt'),
    MATRIX_PORT: String(server.address().port),
    MATRIX_VITEST: cell.vitest,
  }
  const both = await worlds(place, cell, {
    as: wrapper(cell.as, profile),
    env,
    between: () => execFileSync('sh', ['-c', 'rm -f written-* moved-*'], { cwd: outside }),
  })
  server.close()
  for (const [world, { output }] of Object.entries(both)) log(`the project, ${world}`, output)
  const wrong = judge(both, { ...cell, secret, outside })
  if (!cell.full) return { wrong, counts: countsIn(both, cell) }
  const more = await parts({ dir, start: place.start, node, bothWorlds: cell.bothWorlds, tarball, mirrors, env, log })
  const ofParts = Object.entries(more).flatMap(([name, part]) => part.wrong.map((line) => `${name}: ${line}`))
  const numbers = Object.fromEntries(
    Object.entries(more).map(([name, { wrong: found, ...rest }]) => [name, { ...rest, failed: found.length }]),
  )
  return { wrong: [...wrong, ...ofParts], counts: { ...countsIn(both, cell), ...numbers } }
}

function countsIn({ ours: { tests = [], ways, outcomes } }, { expect, sockets }) {
  if (expect === 'unsupported') return { said: 'refuses to run, and says what is missing' }
  if (expect === 'unconfined') return { said: 'runs unconfined, and says so' }
  const everyday = tests.filter(
    ({ name, file, status }) => name !== '(file)' && file === 'everyday' && status === 'passed',
  ).length
  const operations = outcomes.reduce((sum, list) => sum + (list?.length ?? 0), 0)
  const closed = ways.filter(({ got }) => got === undefined).length
  return { everyday, operations, ways: closed, ...(sockets === undefined ? {} : { sockets }) }
}
