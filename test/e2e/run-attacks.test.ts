/** Attacks of what runs in Vitest's own process on the run itself: they work with the pool alone, and come to nothing with `run`. */
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cli, project, vitest, vitestMajor, type Finished, type Project } from './run-vitest.js'

interface Attacked extends Project {
  readonly home: string
}

function attacked(config = ''): Attacked {
  const at = project('e2e-run')
  const home = join(at.root, '../home')
  mkdirSync(home)
  writeFileSync(join(home, '.npmrc'), 'secret')
  for (const dir of ['.git/hooks', 'node_modules']) mkdirSync(join(at.root, dir), { recursive: true })
  at.write(
    'vitest.config.mjs',
    `import { attack } from './attacks.mjs'
import { seccomp } from 'vitest-pool-seccomp'
export default {
  test: { include: ['test/ok.test.mjs'] },
  plugins: [seccomp({ manifest: './seccomp.manifest.json' }), { name: 'attacker', configResolved: attack${config} }],
}`,
  )
  return { ...at, home, [Symbol.dispose]: at[Symbol.dispose] }
}

function outcomes({ out }: Finished): Readonly<Record<string, string>> {
  const [, text] = /^ATTACKS (.*)$/m.exec(out) ?? []
  expect(text, out).toBeDefined()
  return JSON.parse(text ?? '{}')
}

const REFUSED = /^E(?:ACCES|PERM|XDEV|SRCH)$/

/** There is no terminal, no koffi beside this Vitest, or Node says nothing of a refused port. */
const NOTHING = new Set(['ENXIO', 'MODULE_NOT_FOUND', 'no port'])

/** These say nothing where the machine itself refuses them, or lacks what they need; and what they do shows elsewhere. */
const BY_MACHINE = [
  'memory of the process that started it',
  'environment of the process that started it',
  'tracing the process that started it',
  'signal to everybody',
  'typing on the terminal',
  'socket of a service of the machine',
]
const SEEN_ELSEWHERE = ['daemon', 'preload of the workers']

describe('what runs in the process of Vitest', () => {
  test('reaches the run, the machine and the next run where only tests are confined', async () => {
    using at = attacked()
    const finished = await vitest(at, ['run'], { env: { HOME: at.home } })
    const found = outcomes(finished)
    const said = Object.entries(found).filter(([name]) => !BY_MACHINE.includes(name))
    expect(said.filter(([, outcome]) => outcome !== 'done')).toEqual([])
    expect(existsSync(join(at.root, '.git/hooks/post-commit'))).toBe(true)
    expect(existsSync(join(at.home, 'preloaded'))).toBe(true)
    expect(finished.leftovers.processes).toHaveLength(1)
    for (const line of finished.leftovers.processes) process.kill(Number.parseInt(line, 10), 'SIGKILL')
  })

  test('reaches nothing of it with run', async () => {
    using at = attacked()
    const manifest = at.read('seccomp.manifest.json')
    const pool = readlinkSync(join(at.root, '../node_modules'))
    const before = readFileSync(join(pool, 'vitest-pool-seccomp/dist/index.js'), 'utf8')
    const finished = await cli(at, ['run'], { env: { HOME: at.home } })
    const said = Object.entries(outcomes(finished)).filter(([name]) => !SEEN_ELSEWHERE.includes(name))
    expect(said.filter(([, outcome]) => !REFUSED.test(outcome) && !NOTHING.has(outcome))).toEqual([])
    expect(said.length).toBeGreaterThan(15)
    expect(finished.code).toBe(1)
    expect(at.read('seccomp.manifest.json')).toBe(manifest)
    expect(readFileSync(join(pool, 'vitest-pool-seccomp/dist/index.js'), 'utf8')).toBe(before)
    for (const path of ['.git/hooks/post-commit', 'vite.config.mjs', 'vite.config.mts'])
      expect(existsSync(join(at.root, path)), path).toBe(false)
    // Neither in a worker before its filter nor in a process that a plugin starts.
    expect(existsSync(join(at.home, 'preloaded'))).toBe(false)
    // The daemon has ended with the run.
    expect(finished.leftovers).toEqual({ processes: [], tmp: [] })
  })

  // The pool of Vitest 3 takes no such options from there.
  test.runIf(vitestMajor > 3).each([
    ['--require', `execArgv: ['--require', process.cwd() + '/preloaded.cjs']`, 'preloaded: EACCES'],
    ['--import', `execArgv: ['--import=' + process.cwd() + '/preloaded.cjs']`, 'preloaded: EACCES'],
    ['--inspect', `execArgv: ['--inspect=127.0.0.1:0']`, 'vitest-seccomp run starts no worker with --inspect'],
    ['--env-file', `execArgv: ['--env-file=' + process.env.HOME + '/.npmrc']`, '.npmrc: EACCES'],
  ])('gets nothing into a worker before its filter by %s', async (_, option, said) => {
    using at = attacked()
    at.write('vitest.config.mjs', `export default { test: { include: ['test/ok.test.mjs'], ${option} } }`)
    const { out, code } = await cli(at, ['run'], { env: { HOME: at.home } })
    expect(out).toContain(said)
    expect(code).toBe(1)
    expect(existsSync(join(at.home, 'preloaded'))).toBe(false)
  })

  test.each([
    ['bytes that are no message', `Buffer.from('ffffffffffffffff', 'hex')`],
    ['a message that there is not', `frame({ type: 'give me a shell' })`],
    [
      'a worker that may execute anything',
      `frame({ type: 'launch', id: 900, subject: { root: process.cwd(), files: [] }, launch: { execArgv: [], env: {}, cwd: process.cwd(), executable: 'any', denied: 'eacces', ledger: false, stageTimeout: 1000 } })`,
    ],
    [
      'descriptors of the broker',
      `frame({ type: 'launch', id: 900, subject: { root: process.cwd(), files: [] }, launch: { execArgv: [], env: {}, cwd: process.cwd(), denied: 'eacces', ledger: false, stageTimeout: 1000, nodeChannel: 4, streams: [4, 4, 4] } })`,
    ],
    [
      'a worker without a filter',
      `Buffer.concat([
        frame({ type: 'launch', id: 900, subject: { root: process.cwd(), files: [] }, launch: { execArgv: [], env: process.env, cwd: process.cwd(), tmp: process.env.TMPDIR + '/vitest-seccomp-900', denied: 'eacces', ledger: false, stageTimeout: 1000 } }),
        frame({ type: 'attach', id: 900, subject: { root: process.cwd(), files: [] }, policy: { mode: 'audit', lists: [], sockets: [] }, setup: { runner: 'file://' + process.cwd() + '/preloaded.cjs', runtime: 'file://' + process.cwd() + '/preloaded.cjs', preload: [], landlock: [{ path: '/', right: 'execute' }] } }),
      ])`,
    ],
  ])('gets from the broker, asked past the pool, none of %s', async (_, bytes) => {
    using at = attacked()
    at.write(
      'vitest.config.mjs',
      `import { writeSync } from 'node:fs'
import { serialize } from 'node:v8'
const frame = (message) => {
  const body = serialize(message)
  const head = Buffer.alloc(4)
  head.writeUInt32LE(body.length)
  return Buffer.concat([head, body])
}
const { control } = process[Symbol.for('vitest-pool-seccomp.broker.1')]
writeSync(control, ${bytes})
export default { test: { include: ['test/ok.test.mjs'] } }`,
    )
    const { code, leftovers } = await cli(at, ['run'], { env: { HOME: at.home } })
    expect(existsSync(join(at.home, 'preloaded'))).toBe(false)
    expect(leftovers).toEqual({ processes: [], tmp: [] })
    // What breaks the protocol ends the run; what is merely refused is nobody's worker.
    expect(code === 0 || code === 1 || (code ?? 0) > 128).toBe(true)
  })

  test('leaves no link where a run of a package below writes its reports, nor another manifest file', async () => {
    using at = project('e2e-run')
    const home = join(at.root, '../home')
    mkdirSync(home)
    writeFileSync(join(home, 'package.json'), '{}')
    const outputs = ['coverage', 'html', '.vitest', '.vitest-reports', '.vitest-attachments', 'out']
    at.write('package.json', '{ "private": true, "workspaces": ["packages/*"] }')
    at.write('packages/a/package.json', '{ "name": "a", "private": true, "type": "module" }')
    at.write('packages/a/seccomp.manifest.json', '{}')
    at.write('packages/a/own.test.mjs', `import { test } from 'vitest'\ntest('runs', () => {})\n`)
    // Hijacked as well: it writes its reports, wherever that leads.
    at.write(
      'packages/a/vitest.config.mjs',
      `import { writeFileSync } from 'node:fs'
const attack = () => {
  for (const dir of ${JSON.stringify(outputs)})
    try { writeFileSync(dir + '/left', 'by a plugin') } catch (error) { console.log('WRITE', dir, error.code) }
}
export default { plugins: [{ name: 'attacker', configResolved: attack }], test: { include: ['own.test.mjs'], outputFile: { json: 'out/report.json' }, reporters: ['default', 'json'] } }`,
    )
    at.write(
      'vitest.config.mjs',
      `import { symlinkSync, writeFileSync } from 'node:fs'
const tried = (name, act) => { try { act(); console.log('PLANT', name, 'done') } catch (error) { console.log('PLANT', name, error.code) } }
for (const dir of ${JSON.stringify(outputs)}) tried(dir, () => symlinkSync(process.env.HOME, 'packages/a/' + dir))
tried('manifest', () => writeFileSync('packages/a/seccomp.manifest.json', '{ "runner": { "write": ["<home>/"] } }'))
export default { test: { projects: ['packages/*'] } }`,
    )
    at.write('seccomp.manifest.json', JSON.stringify({ runner: { write: ['packages/'] } }))
    const env = { HOME: home }
    const first = await cli(at, ['run'], { env })
    // What it is granted it may do; a link is no harm before somebody follows it.
    for (const dir of outputs) expect(first.out).toContain(`PLANT ${dir} done`)
    expect(first.out).toContain('PLANT manifest EACCES')
    const below = { ...at, root: join(at.root, 'packages/a'), [Symbol.dispose]() {} }
    const second = await cli(below, ['run'], { env })
    expect(readdirSync(home), second.out).toEqual(['package.json'])
    expect(second.out).toContain('leads through')
    expect(second.code).toBe(2)
  })
})
