/**
 * node scripts/kernels/sockets.mjs [--receiving]: the programs of fixtures/targets/receiving, plain and confined, must give the same; and psql speaks with
 * a PostgreSQL, if there is one. Without
 * Vitest around them, for machines on which that takes minutes. --receiving: as on a kernel without SO_PASSRIGHTS.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { findPrograms, startServer } from '../postgres/server.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const targets = join(repository, 'fixtures/targets')
const load = (name) => import(pathToFileURL(join(repository, 'dist', name)).href)
const [{ Host }, { programsOf }, { baseGrants }, { bindOptions }, { parseOptions }, { STAGE_MS }, { lookup }] =
  await Promise.all(
    [
      'broker/host.js',
      'broker/programs.js',
      'policy/base.js',
      'policy/bind.js',
      'policy/schema.js',
      'limits.js',
      'project/lookup.js',
    ].map(load),
  )

const root = realpathSync(mkdtempSync(join(tmpdir(), 'sockets-')))
/** As long as a name can be: libuv of Node 20 fills up a shorter one. */
const abstract = `sockets-${process.pid}`.padEnd(107, 'x')
const host = new Host(process.argv.includes('--receiving') ? { support: { unixSockets: false } } : {})
const node = realpathSync(process.execPath)

const OWN = {
  read: [`${repository}/fixtures/`],
  write: [`${root}/`],
  exec: [node],
  listen: ['tcp:127.0.0.1:0', 'udp:127.0.0.1:0', `unix:@${abstract}`],
}

function policy(manifest) {
  const paths = { root, workspace: root, home: '/root', tmp: root, file: root, searchPath: ['/usr/bin'] }
  const bound = bindOptions(parseOptions({ manifest }), { ...paths, lookup })
  const base = baseGrants({
    lookup,
    nodeExec: node,
    nodeModules: [join(repository, 'node_modules')],
    packageDir: join(repository, 'dist'),
    runtimeDirs: [targets],
  })
  const lists = [...base, ...bound.lists, programsOf(bound.lists, ['/usr/bin']).implied]
  return { mode: 'enforce', sockets: bound.sockets, lists }
}

function plain(module, args) {
  const said = execFileSync(node, [
    join(targets, 'harness/plain.mjs'),
    pathToFileURL(module).href,
    JSON.stringify(args),
  ])
  return JSON.parse(said)
}

async function confined(module, args, manifest = OWN) {
  const granted = policy(manifest)
  const { executable } = programsOf(granted.lists, ['/usr/bin'])
  const violations = []
  const worker = await host.start({
    execArgv: [],
    policy: granted,
    denied: 'eacces',
    stageTimeout: STAGE_MS,
    executable,
    env: {
      PATH: '/usr/bin',
      HARNESS_MODULE: pathToFileURL(module).href,
      HARNESS_ARGS: JSON.stringify(args),
      VITEST_SECCOMP_WORKER: `sockets-${process.pid}`,
    },
    setup: {
      runtime: pathToFileURL(join(targets, 'harness/run-module.mjs')).href,
      runner: 'node:path',
      preload: [],
      landlock: [
        { path: join(targets, 'harness'), right: 'read' },
        ...executable.map((path) => ({ path, right: 'execute' })),
      ],
    },
    onIncident: (incident) => incident.violation !== false && violations.push(incident),
    onFault: (detail) => violations.push({ detail }),
  })
  let out = ''
  worker.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
  })
  worker.stderr.pipe(process.stderr, { end: false })
  const closed = new Promise((resolve) => {
    worker.stdout.once('close', resolve)
  })
  await worker.exited
  await worker.stop()
  await closed
  assert.deepEqual(violations, [])
  return JSON.parse(out)
}

/** psql over the server's unix socket, which one entry covers. */
async function postgres() {
  const programs = await findPrograms()
  if (programs === undefined) return process.stdout.write('postgresql: not installed\n')
  const psql = realpathSync(join(programs, 'psql'))
  const dir = mkdtempSync(join(root, 'postgres-'))
  for (const each of [root, dir]) chmodSync(each, 0o755)
  const server = await startServer(programs, dir)
  try {
    const module = join(targets, 'receiving/postgres.mjs')
    const got = await confined(module, [psql, server], {
      read: [`${repository}/fixtures/`, '/usr/', '/etc/'],
      exec: [psql],
      connect: [`unix:${server.sockets}/.s.PGSQL.${server.port}`],
    })
    assert.deepEqual(got, { code: 0, out: '1|hello\n', err: '' })
    process.stdout.write(`postgresql: 1 the same: psql over ${server.sockets}/.s.PGSQL.${server.port}\n`)
  } finally {
    await server.stop()
  }
}

try {
  for (const [name, args] of [
    ['messages', () => []],
    ['servers', (world) => [mkdtempSync(join(root, world)), abstract]],
  ]) {
    const module = join(targets, `receiving/${name}.mjs`)
    const wanted = plain(module, args('plain'))
    const got = await confined(module, args('confined'))
    assert.deepEqual(got, wanted)
    process.stdout.write(`${name}: ${Object.keys(wanted).length} the same: ${Object.keys(wanted).join(', ')}\n`)
  }
  await postgres()
} finally {
  rmSync(root, { recursive: true, force: true })
}
process.exit(0)
