// node scripts/postgres/run.mjs --tarball <package> [--keep]
//
// The suite in fixtures/projects/postgres against a real PostgreSQL, over its unix socket, over TCP, and by name:
//
//   stock       under Vitest's own pool
//   granted     confined, with the `connect` entries that it needs: the same results
//   bare        confined, without: each file fails, and names the entry that is missing
//   suggested   confined, with the entries that the violations of `bare` named and nothing else: the same results
//
// Needs Debian's postgresql package and npm. Everything it makes lies in a temporary directory; --keep leaves that.
import { rmSync } from 'node:fs'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { mustRun, run } from '../suites/checkout.mjs'
import { compare, counts, difference, parse } from '../suites/results.mjs'
import { findPrograms, PASSWORD, startServer } from './server.mjs'

const { values } = parseArgs({ options: { tarball: { type: 'string' }, keep: { type: 'boolean', default: false } } })
if (values.tarball === undefined) throw new Error('--tarball says which package is tried: npm pack makes one')
const programs = await findPrograms()
if (programs === undefined) {
  process.stderr.write('PostgreSQL is not installed: apt-get install postgresql\n')
  process.exit(2)
}

// `postgres` runs as another user, so it has to be able to come in.
const scratch = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'postgres-')))
await fs.chmod(scratch, 0o755)
const folder = path.join(scratch, 'project')
let server
const failures = []

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(name, () => {
    server?.child.kill('SIGQUIT')
    if (!values.keep) rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
    process.kill(process.pid, name)
  })
}

try {
  await install()
  server = await startServer(programs, scratch)
  await compareWorlds()
} finally {
  await server?.stop()
  if (values.keep) process.stdout.write(`kept: ${scratch}\n`)
  else await fs.rm(scratch, { recursive: true, force: true })
}
for (const failure of failures) process.stdout.write(`FAILED: ${failure}\n`)
process.exitCode = failures.length === 0 ? 0 : 1

async function install() {
  const from = fileURLToPath(new URL('../../fixtures/projects/postgres/', import.meta.url))
  await fs.cp(from, folder, { recursive: true, filter: (file) => !file.endsWith('/node_modules') })
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline']
  await mustRun('npm', ['install', ...flags, 'vitest@4.1.12', 'pg@8', path.resolve(values.tarball)], { cwd: folder })
}

async function compareWorlds() {
  const socket = `unix:${server.sockets}/.s.PGSQL.${server.port}`
  const address = `tcp:127.0.0.1:${server.port}`
  const files = {
    'test/socket.test.mjs': { connect: [socket] },
    'test/tcp.test.mjs': { connect: [address] },
    'test/name.test.mjs': { connect: [`tcp:localhost:${server.port}`] },
  }
  const stock = await world('stock', undefined)
  expect(stock.tests.get('(exit)') === '0', 'the stock run fails by itself')
  same(stock, await world('granted', { files }))

  const bare = await world('bare', {})
  const expected = { socket: [socket], tcp: [address], name: await namesOf(server.port) }
  for (const [file, entries] of Object.entries(expected)) namesExactly(bare, `test/${file}.test.mjs`, entries)

  const connect = [
    ...new Set(bare.violations.flatMap(({ suggestion }) => (suggestion?.key === 'connect' ? [suggestion.entry] : []))),
  ]
  process.stdout.write(`the violations suggest: ${connect.join(' ')}\n`)
  same(stock, await world('suggested', { manifest: { connect } }))
}

// What `localhost` is here, in the order in which Node tries it, and how an entry for it is written.
async function namesOf(port) {
  const { lookup } = await import('node:dns/promises')
  return (await lookup('localhost', { all: true })).map(
    ({ address, family }) => `tcp:${family === 6 ? `[${address}]` : address}:${port}`,
  )
}

async function world(name, grants) {
  const report = path.join(scratch, `${name}.json`)
  const { CI: _, FORCE_COLOR: __, ...env } = process.env
  const started = performance.now()
  const vitest = path.join(folder, 'node_modules/vitest/vitest.mjs')
  const ended = await run(process.execPath, [vitest, 'run', '--reporter=json', '--outputFile', report], {
    cwd: folder,
    timeout: 120_000,
    env: {
      ...env,
      NO_COLOR: '1',
      POSTGRES_SOCKETS: server.sockets,
      POSTGRES_PORT: String(server.port),
      POSTGRES_USER: server.user,
      POSTGRES_PASSWORD: PASSWORD,
      ...(grants === undefined ? {} : { POSTGRES_GRANTS: JSON.stringify(grants) }),
    },
  })
  const json = JSON.parse(
    await fs.readFile(report, 'utf8').catch(() => {
      throw new Error(`${name}: Vitest ended with ${ended.signal ?? ended.code} and no report:\n${ended.output}`)
    }),
  )
  const results = { name, ...parse(json, folder, ended), json, violations: violationsOf(json.testResults) }
  const { passed, failed, skipped } = counts(results)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const told = `${results.violations.length} violations`
  process.stdout.write(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${told}, ${seconds} s\n`)
  return results
}

function violationsOf(files) {
  return files.flatMap(({ assertionResults }) =>
    assertionResults.flatMap(({ meta }) => meta?.seccomp?.violations ?? []),
  )
}

function same(stock, other) {
  const different = difference(stock, other)
  process.stdout.write(compare(other.name, different))
  expect(different.length === 0, `${other.name}: ${different.length} results are not those of the stock run`)
  expect(other.violations.length === 0, `${other.name}: ${other.violations.length} violations`)
}

// In the data for programs as well as in the text for people.
function namesExactly(results, file, entries) {
  const found = results.json.testResults.find(({ name }) => path.relative(folder, name) === file)
  const text = [
    found?.message ?? '',
    ...(found?.assertionResults ?? []).flatMap(({ failureMessages }) => failureMessages ?? []),
  ].join('\n')
  const lines = [...new Set([...text.matchAll(/to allow it, add to the manifest: (.*)/g)].map(([, line]) => line))]
  const wanted = entries.map((entry) => `connect: ['${entry}']`)
  expect(found?.status === 'failed', `${results.name}: ${file} passes`)
  expect(
    sorted(lines) === sorted(wanted),
    `${results.name}: ${file} should name ${wanted.join(' ')} and names ${lines.join(' ')}\n${text}`,
  )
  const told = violationsOf(found === undefined ? [] : [found]).map(({ suggestion }) => suggestion?.line)
  expect(
    told.every((line) => wanted.includes(line)),
    `${results.name}: ${file}: meta.seccomp has ${told.join(' ')}`,
  )
}

function sorted(lines) {
  return JSON.stringify([...lines].sort())
}

function expect(holds, otherwise) {
  if (!holds) failures.push(otherwise)
}
