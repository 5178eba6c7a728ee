/** Where a refused call stands is seen below everything that a test can see; in a process of its own, because Node's bindings change. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { nodeBin } from '../e2e/run-vitest.js'

const traces = new URL('../../dist/child/traces.js', import.meta.url).href

/** What a program says that looks before and after the bindings are wrapped; `told` is what would go to the broker. */
function seen(body: string, env: NodeJS.ProcessEnv = {}): Record<string, unknown> {
  const program = `
    import fs from 'node:fs'
    import net from 'node:net'
    import { spawnSync } from 'node:child_process'
    import { fileBegins, traceRefusals } from '${traces}'
    const told = []
    const begin = () => { traceRefusals(['ENOENT', 'EADDRNOTAVAIL'], (kind, stack) => told.push({ kind, stack })); fileBegins() }
    const out = {}
    ${body}
    console.log(JSON.stringify({ ...out, told }))`
  const { stdout, stderr } = spawnSync(nodeBin, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...env },
  })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

const CALLS = [
  "fs.readFileSync('/no-such-place-7d1f/x', 'utf8')",
  "fs.readFileSync('/no-such-place-7d1f/x')",
  "fs.openSync('/no-such-place-7d1f/x')",
  "fs.statSync('/no-such-place-7d1f/x')",
  "fs.readdirSync('/no-such-place-7d1f/x')",
  "fs.mkdirSync('/no-such-place-7d1f/x/y')",
  "fs.writeFileSync('/no-such-place-7d1f/x', 'a')",
  "fs.unlinkSync('/no-such-place-7d1f/x')",
  "fs.renameSync('/no-such-place-7d1f/x', '/no-such-place-7d1f/y')",
  "fs.rmSync('/no-such-place-7d1f/x')",
  "fs.copyFileSync('/no-such-place-7d1f/x', '/no-such-place-7d1f/y')",
  "fs.accessSync('/no-such-place-7d1f/x')",
  "fs.realpathSync('/no-such-place-7d1f/x')",
  "fs.symlinkSync('x', '/no-such-place-7d1f/x')",
  "fs.truncateSync('/no-such-place-7d1f/x')",
]

test('each call that fails is told with the line that made it, and the error is the same as without, its stack included', () => {
  const result = seen(`
    const calls = [${CALLS.map((call) => `function at() { ${call} }`).join(', ')}]
    const caught = (call) => { try { call() } catch (error) { return [error.message, error.code, error.stack.split('\\n').slice(1).join('\\n'), Object.keys(error).join()] } }
    const rounds = []
    for (const round of ['before', 'after']) {
      if (round === 'after') begin()
      rounds.push(calls.map((call) => caught(call)))
    }
    out.different = calls.filter((_, index) => JSON.stringify(rounds[0][index]) !== JSON.stringify(rounds[1][index])).map(String)
    out.count = calls.length`)
  expect(result).toMatchObject({ different: [], count: CALLS.length })
  const told = result.told as { kind: string; stack: string }[]
  expect(told).toHaveLength(CALLS.length)
  for (const { kind, stack } of told) {
    expect(kind).toBe('call')
    expect(stack).toMatch(/^(?:Error\n)? {4}at .*\(node:.*\)\n(?: {4}at .*\n)*? {4}at at \(file:.*:\d+:\d+\)/)
  }
})

test('a program and a socket tell their failure by a number', () => {
  const result = seen(`
    begin()
    out.program = spawnSync('/no-such-place-7d1f/program').error.code
    const server = net.createServer()
    server.once('error', () => {})
    server.listen(1, '203.0.113.1')`)
  expect(result.program).toBe('ENOENT')
  expect((result.told as { kind: string }[]).map(({ kind }) => kind)).toContain('program')
})

test('what a test has made of Error stays as it made it', () => {
  const result = seen(`
    begin()
    let asked = 0
    Error.prepareStackTrace = () => { asked++; return 'its own' }
    Error.stackTraceLimit = 0
    try { fs.statSync('/no-such-place-7d1f/x') } catch (error) { out.own = error.stack }
    out.limit = Error.stackTraceLimit
    out.asked = asked
    Object.freeze(Error)
    try { fs.statSync('/no-such-place-7d1f/y') } catch (error) { out.frozen = error.code }`)
  expect(result).toMatchObject({ limit: 0, frozen: 'ENOENT' })
  expect((result.told as { stack: string }[])[0]?.stack).toMatch(/at .*statSync/)
})

test('calls that succeed, and asynchronous ones, are nobody else’s', () => {
  const result = seen(`
    begin()
    out.size = fs.statSync('/').isDirectory()
    out.there = [fs.existsSync('/no-such-place-7d1f/x'), fs.statSync('/no-such-place-7d1f/x', { throwIfNoEntry: false }) === undefined]
    await fs.promises.readFile('/no-such-place-7d1f/x').catch((error) => { out.code = error.code })
    await new Promise((resolve) => fs.stat('/no-such-place-7d1f/x', (error) => { out.callback = error.code; resolve() }))`)
  expect(result).toMatchObject({ size: true, there: [false, true], code: 'ENOENT', callback: 'ENOENT' })
  expect(result.told).toEqual([])
})

test('where Node would warn of it, nothing is wrapped', () => {
  expect(
    seen("begin(); try { fs.statSync('/no-such-place-7d1f/x') } catch {}", { NODE_PENDING_DEPRECATION: '1' }).told,
  ).toEqual([])
})
