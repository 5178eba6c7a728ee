/** Whatever refusal a test feels, the output names its cause, once, and the line that allows it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { project, vitest, type Project } from './run-vitest.js'

const FILES = {
  interpreter: `
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
test('runs a script of its own', () => {
  const script = tmpdir() + '/script.sh'
  writeFileSync(script, '#!/bin/sh\\necho hi', { mode: 0o755 })
  execFileSync(script)
})`,
  library: `
test('loads a library', () => process.dlopen({ exports: {} }, OUTSIDE + '/addon.node'))`,
  directory: `
test('goes elsewhere', () => process.chdir(OUTSIDE + '/there'))`,
  hidden: `
import { existsSync } from 'node:fs'
test('looks', () => { if (!existsSync(OUTSIDE + '/deep/data.txt')) throw new Error('where is it?') })`,
  watching: `
import { watch } from 'node:fs'
test('watches', () => void watch(OUTSIDE))`,
  unix: `
import { connect } from 'node:net'
const to = (path) => new Promise((resolve, reject) => connect(path).on('connect', resolve).on('error', reject))
test('speaks to a path', () => to(OUTSIDE + '/some.sock'))
test('speaks to an abstract name', () => to('\\0felt'))`,
  datagrams: `
import { createSocket } from 'node:dgram'
const on = (act) => new Promise((resolve, reject) => {
  const socket = createSocket('udp4').on('error', reject)
  act(socket, (error) => (error ? reject(error) : resolve(socket.close())))
})
test('sends', () => on((socket, done) => socket.send('x', 8125, '127.0.0.1', done)))
test('is sent to', () => on((socket, done) => socket.bind(8126, done)))`,
  server: `
import { createServer } from 'node:net'
test('listens', () => new Promise((resolve, reject) => createServer().on('error', reject).listen(0, '127.0.0.1', resolve)))`,
} as const

let at: Project
let outside: string
let out: string

beforeAll(async () => {
  at = project('e2e-start')
  outside = join(at.root, '../outside')
  mkdirSync(join(outside, 'there'), { recursive: true })
  writeFileSync(join(outside, 'addon.node'), 'no library')
  mkdirSync(join(outside, 'deep'))
  writeFileSync(join(outside, 'deep/data.txt'), 'data')
  at.write(
    'vitest.config.mjs',
    `import { seccomp } from 'vitest-pool-seccomp'
export default { plugins: [seccomp({ manifest: { write: ['<tmp>/'], exec: ['<tmp>/'] } })], test: { include: ['felt/*.test.mjs'] } }
`,
  )
  mkdirSync(join(at.root, 'felt'))
  for (const [name, body] of Object.entries(FILES))
    at.write(
      `felt/${name}.test.mjs`,
      `import { test } from 'vitest'\nconst OUTSIDE = ${JSON.stringify(outside)}\n${body}\n`,
    )
  ;({ out } = await vitest(at, ['run']))
})

afterAll(() => at[Symbol.dispose]())

/** Between the heading of a failed test and the next. */
function failuresOf(file: keyof typeof FILES, name: string): readonly string[] {
  return out
    .split(' FAIL  ')
    .filter((part) => part.startsWith(`felt/${file}.test.mjs > ${name}`))
    .map((part) => part.replaceAll(/\n ❯[\s\S]*$/g, ''))
}

test.each([
  [
    'interpreter',
    'runs a script of its own',
    /refused: run \/bin\/sh, which starts \S+\/script\.sh\n(?: {2}that is: \S+\n)? {2}because: no entry covers it\n {2}to allow it, add to the manifest: exec: \['sh'\]/,
  ],
  [
    'library',
    'loads a library',
    /refused: open \S+\/addon\.node for reading\n.*\n {2}to allow it, add to the manifest: read:/,
  ],
  [
    'directory',
    'goes elsewhere',
    /a file was hidden, .*\n {2}\S+\/there\n {2}if it is there, to show it: list: \['\S+there\/'\]/,
  ],
  [
    'hidden',
    'looks',
    /a file was hidden, .*\n {2}\S+\/deep\/data\.txt\n {2}if it is there, to show it: read: \['\S+data\.txt'\]/,
  ],
  [
    'watching',
    'watches',
    /refused: watch \S+outside\n.*\n {2}to allow it, add to the manifest: list: \['\S+outside\/'\]/,
  ],
  [
    'unix',
    'speaks to a path',
    /refused: connect to unix:\S+some\.sock\n.*\n {2}to allow it, add to the manifest: connect: \['unix:\S+some\.sock'\]/,
  ],
  [
    'unix',
    'speaks to an abstract name',
    /refused: connect to unix:@felt\n.*\n {2}to allow it, add to the manifest: connect: \['unix:@felt'\]/,
  ],
  // Node binds a socket before it sends by it.
  [
    'datagrams',
    'sends',
    /refused: listen on udp:0\.0\.0\.0:0\n.*\n {2}to allow it, add to the manifest: listen: \['udp:0\.0\.0\.0:0'\]/,
  ],
  ['datagrams', 'is sent to', /refused: listen on udp:0\.0\.0\.0:8126\n/],
  ['server', 'listens', /refused: listen on tcp:127\.0\.0\.1:0\n/],
] as const)('%s: %s', (file, name, told) => {
  const failures = failuresOf(file, name)
  expect(failures.join('\n')).toMatch(told)
  // A hint comes beside what the test says.
  expect(failures).toHaveLength(file === 'directory' || file === 'hidden' ? 2 : 1)
})
