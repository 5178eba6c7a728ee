/** On a machine: the project of the matrix in both worlds. Prints `@@ found` and what came of it as JSON. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { judge, worlds } from '../matrix/check.mjs'

const cell = JSON.parse(process.argv[2])
const secret = `canary-${randomUUID()}`
for (const dir of ['outside', 'home', 'tmp']) mkdirSync(`/cell/${dir}`, { recursive: true })
writeFileSync('/cell/outside/secret.txt', secret)
const server = createServer((socket) => socket.end('reached')).listen(0, '127.0.0.1')
await new Promise((listening) => server.once('listening', listening))
const env = {
  ...process.env,
  HOME: '/cell/home',
  TMPDIR: '/cell/tmp',
  MATRIX_SECRET: '/cell/outside/secret.txt',
  MATRIX_PORT: String(server.address().port),
  MATRIX_VITEST: cell.vitest,
  SLOW: '20',
  // In CI, Vitest writes no snapshots.
  CI: undefined,
}
// It is as slow as all the others together, and the same for whoever runs it.
if (!cell.list) rmSync('/cell/project/test/transparency.test.js', { force: true })
const place = { start: '/cell/project', packages: ['/cell/project'] }
const both = await worlds(place, cell, {
  as: [],
  env,
  seconds: 1500,
  // Five seconds are short where Node alone takes two to start.
  more: ['--testTimeout=60000'],
  between() {
    for (const name of readdirSync('/cell/outside'))
      if (/^(?:written|moved)-/.test(name)) rmSync(`/cell/outside/${name}`, { recursive: true })
  },
})
server.close()
const { tests = [], ways, outcomes, output } = both.ours
const wrong = judge(both, { ...cell, secret, outside: '/cell/outside' })
process.stdout.write(`${output}\n`)
process.stdout.write(
  `@@ found ${JSON.stringify({
    wrong,
    everyday: tests.filter(({ name, file, status }) => name !== '(file)' && file === 'everyday' && status === 'passed')
      .length,
    operations: outcomes.reduce((sum, list) => sum + (list?.length ?? 0), 0),
    ways: ways.filter(({ got }) => got === undefined).length,
  })}\n`,
)
process.exit(wrong.length === 0 ? 0 : 1)
