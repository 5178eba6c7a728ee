/** `vitest-seccomp run`: Vitest's own process behind the broker. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freePort, webSocketSays } from '../harness/http.js'
import { cli, project, startConfined, vitest, vitestBin, vitestMajor, type Project } from './run-vitest.js'

const KINDS = ['plugin', 'reporter', 'setup', 'coverage'] as const

/** Where a hijacked package may send what it found: outside of every grant. */
interface Outside extends AsyncDisposable {
  readonly port: number
  connections(): number
}

async function outside(): Promise<Outside> {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  }
}

/** With a home that has a secret in it, a repository, and packages that someone has taken over. */
function hijacked(): Project & { readonly home: string } {
  const at = project('e2e-run')
  const home = join(at.root, '..', 'home')
  mkdirSync(home)
  writeFileSync(join(home, '.npmrc'), '//registry/:_authToken=secret\n')
  mkdirSync(join(at.root, '.git/hooks'), { recursive: true })
  for (const kind of KINDS) {
    at.write(
      `node_modules/hijacked-${kind}/package.json`,
      `{"name":"hijacked-${kind}","type":"module","main":"index.mjs"}`,
    )
    at.write(`node_modules/hijacked-${kind}/index.mjs`, at.read('hijacked/index.mjs'))
  }
  return { ...at, home, [Symbol.dispose]: at[Symbol.dispose] }
}

const isInstalled = (name: string): boolean => existsSync(join(dirname(vitestBin), '../@vitest', name))
const COVERAGE = ['v8', 'istanbul'].filter((name) => isInstalled(`coverage-${name}`))

describe.each(KINDS)('a %s that someone has taken over', (kind) => {
  test('reaches everything where Vitest itself is not confined', async () => {
    await using server = await outside()
    using at = hijacked()
    const env = { E2E_KIND: kind, E2E_POOL: '1', E2E_PORT: String(server.port), HOME: at.home }
    const { code, out } = await vitest(at, ['run'], { env })
    expect(out).toContain(
      'hijacked: token: done\nhijacked: hook: done\nhijacked: users: done\nhijacked: server: done\n',
    )
    expect(code).toBe(0)
    expect(existsSync(join(at.root, '.git/hooks/pre-commit'))).toBe(true)
    expect(server.connections()).toBeGreaterThan(0)
  })

  test.each(['named by the config', 'not named'] as const)('reaches nothing with run, the pool %s', async (named) => {
    await using server = await outside()
    using at = hijacked()
    const pool = named === 'not named' ? {} : { E2E_POOL: '1' }
    const env = { E2E_KIND: kind, E2E_PORT: String(server.port), HOME: at.home, ...pool }
    const { code, out, leftovers } = await cli(at, ['run'], { env })
    expect(out).toContain(
      'hijacked: token: EACCES\nhijacked: hook: EACCES\nhijacked: users: EACCES\nhijacked: server: EACCES\n',
    )
    expect(out).toMatch(/1 passed/)
    expect(code).toBe(1)
    expect(existsSync(join(at.root, '.git/hooks/pre-commit'))).toBe(false)
    expect(server.connections()).toBe(0)
    expect(out).toContain(`refused: open ${at.home}/.npmrc for reading`)
    expect(out).toContain('refused: open ' + join(at.root, '.git/hooks/pre-commit') + ' for writing')
    expect(out).toContain(`refused: connect to tcp:127.0.0.1:${server.port}`)
    // Each of the four with the package that did it: synchronous, by a thread of libuv's pool, and in a later turn.
    expect(out.split(`by: hijacked-${kind}\n`)).toHaveLength(5)
    expect(leftovers).toEqual({ processes: [], tmp: [] })
  })
})

describe('vitest-seccomp run', () => {
  test('passes where nothing is refused, with nothing said of it', async () => {
    using at = project('e2e-run')
    const { code, out, leftovers } = await cli(at, ['run'])
    expect(out).not.toContain('refused')
    expect(out).toContain('Vitest itself is confined: its grants are the runner part of seccomp.manifest.json')
    expect(code).toBe(0)
    expect(leftovers).toEqual({ processes: [], tmp: [] })
  })

  test('grants Vitest what the runner part of the manifest file says, and tests nothing of it', async () => {
    await using server = await outside()
    using at = hijacked()
    const runner = {
      read: ['<home>/.npmrc', '/etc/passwd'],
      write: ['.git/hooks/pre-commit'],
      connect: [`tcp:127.0.0.1:${server.port}`],
    }
    at.write('seccomp.manifest.json', JSON.stringify({ manifest: { read: ['test/data.txt'] }, runner }))
    at.write(
      'test/ok.test.mjs',
      `import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { expect, test } from 'vitest'
test('is refused', () => expect(() => readFileSync(homedir() + '/.npmrc')).toThrow('EACCES'))`,
    )
    const env = { E2E_KIND: 'plugin', E2E_PORT: String(server.port), HOME: at.home }
    const { code, out } = await cli(at, ['run'], { env })
    expect(out).toContain(
      'hijacked: token: done\nhijacked: hook: done\nhijacked: users: done\nhijacked: server: done\n',
    )
    expect(out).not.toContain('Refused to Vitest itself')
    // The test's own refusal is a violation of the test file.
    expect(code).toBe(1)
    expect(out).toContain('1 refusal of tests')
  })

  test('needs no line for what it reads and looks up because of entries for tests', async () => {
    using at = project('e2e-run')
    const tools = join(at.root, '../tools')
    mkdirSync(tools)
    writeFileSync(join(tools, 'tool.sh'), '#!/bin/sh\necho done', { mode: 0o755 })
    // A link on PATH, as `sh` is one in Debian.
    const bin = join(at.root, '../bin')
    mkdirSync(bin)
    symlinkSync('/bin/true', join(bin, 'linked'))
    const exec = [`${tools}/`, 'linked']
    const manifest = { read: ['test/data.txt'], exec, connect: ['tcp:nowhere.invalid:443'] }
    at.write('seccomp.manifest.json', JSON.stringify({ manifest }))
    at.write(
      'test/ok.test.mjs',
      `import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
test('runs', () => expect(execFileSync(${JSON.stringify(join(tools, 'tool.sh'))}, { encoding: 'utf8' })).toBe('done\\n'))
test('runs what is found by a link', () => expect(execFileSync('linked', { encoding: 'utf8' })).toBe(''))`,
    )
    const { code, out } = await cli(at, ['run'], { env: { PATH: `${bin}:${process.env.PATH ?? ''}` } })
    expect(out).not.toContain('not on this machine')
    expect(out).not.toContain('refused')
    expect(code).toBe(0)
  })

  test('fails a run whose tests were refused something, whatever Vitest says of it', async () => {
    using at = project('e2e-run')
    // A reporter, and Vitest itself, may say what they like.
    at.write(
      'vitest.config.mjs',
      `export default {
  test: { include: ['test/secret.test.mjs'], dangerouslyIgnoreUnhandledErrors: true },
  plugins: [{ name: 'liar', configResolved() { process.on('exit', () => process.reallyExit(0)) } }],
}`,
    )
    const { code, out } = await cli(at, ['run'])
    expect(out).toMatch(/refusals? of tests; the run fails whatever Vitest says of it/)
    expect(code).toBe(1)
  })

  test('refuses nothing with --audit, and says what would be', async () => {
    await using server = await outside()
    using at = hijacked()
    const env = { E2E_KIND: 'plugin', E2E_PORT: String(server.port), HOME: at.home }
    const { code, out } = await cli(at, ['run', '--audit'], { env })
    expect(out).toContain(
      'hijacked: token: done\nhijacked: hook: done\nhijacked: users: done\nhijacked: server: done\n',
    )
    expect(out).toContain('NOTHING IS REFUSED TO IT')
    expect(out).toContain(`recorded: open ${at.home}/.npmrc for reading`)
    expect(code).toBe(0)
  })

  test('records what Vitest itself uses, but for what is dangerous; then nothing is refused', async () => {
    using at = project('e2e-run')
    mkdirSync(join(at.root, '../outside'))
    writeFileSync(join(at.root, '../outside/data.txt'), 'data')
    at.write(
      'vitest.config.mjs',
      `import { readFileSync } from 'node:fs'
export default {
  test: { include: ['test/ok.test.mjs'] },
  plugins: [{ name: 'reader', configResolved() {
    readFileSync('../outside/data.txt')
    try { readFileSync('.git/config') } catch {}
  } }],
}`,
    )
    at.write('.git/config', '[remote]')
    const recorded = await cli(at, ['run', '--record'])
    expect(recorded.out).toContain(
      `seccomp.manifest.json (runner): added\n  read: '${join(at.root, '../outside/data.txt')}'\n`,
    )
    expect(recorded.out).toContain('DANGEROUS, and therefore NOT granted')
    expect(recorded.code).toBe(0)
    const written: object = JSON.parse(at.read('seccomp.manifest.json'))
    expect(written).toMatchObject({
      manifest: { read: ['test/data.txt'] },
      runner: { read: [join(at.root, '../outside/data.txt')] },
    })
    const again = await cli(at, ['run', '--record'])
    expect(again.out).toContain('seccomp.manifest.json (runner): nothing to add.')
    const { out } = await cli(at, ['run'])
    expect(out.match(/refused: .*/g)).toEqual([`refused: open ${at.root}/.git/config for reading`])
  })

  test('ends what Vitest leaves behind, and nothing else of the group that the command is in', async () => {
    using at = project('e2e-run')
    at.write(
      'seccomp.manifest.json',
      JSON.stringify({ manifest: { read: ['test/data.txt'] }, runner: { exec: ['sleep', 'sh'] } }),
    )
    at.write(
      'vitest.config.mjs',
      `import { spawn } from 'node:child_process'
export default {
  test: { include: ['test/ok.test.mjs'] },
  plugins: [{ name: 'leaves', configResolved() { spawn('sh', ['-c', 'sleep 300 & sleep 300'], { stdio: 'ignore' }).unref() } }],
}`,
    )
    const { code, signal, out, leftovers } = await cli(at, ['run'])
    expect(out).not.toContain('refused')
    expect({ code, signal }).toEqual({ code: 0, signal: null })
    expect(leftovers.processes).toEqual([])
  })

  test.each(['by a parent that speaks to it', 'by itself'] as const)(
    'has `process.send` where it was started %s',
    async (how) => {
      using at = project('e2e-run')
      at.write(
        'vitest.config.mjs',
        `console.error('send:', typeof process.send)
process.once('message', ({ answer }) => process.send({ answer }))
process.send?.({ question: 21 })
export default { test: { include: ['test/ok.test.mjs'] } }`,
      )
      const under =
        how === 'by itself' ? {} : { under: [join(import.meta.dirname, '../../fixtures/targets/forks.mjs')] }
      const { code, out } = await cli(at, ['run'], under)
      expect(out).toContain(how === 'by itself' ? 'send: undefined' : 'send: function')
      if (how !== 'by itself') {
        expect(out).toContain('forked: {"question":21}')
        expect(out).toContain('forked: {"answer":42}')
        expect(out).toContain('forked: disconnected')
      }
      expect(out).not.toContain('refused')
      expect(code).toBe(0)
    },
  )

  test('is told of what was refused, whatever Vitest writes to the channel of `process.send`', async () => {
    using at = project('e2e-run')
    at.write(
      'vitest.config.mjs',
      `import { readFileSync, writeSync } from 'node:fs'
try { readFileSync('/etc/shadow') } catch {}
// It can be read, and not be written again.
writeSync(process.channel.fd, '['.repeat(30000) + ']'.repeat(30000) + '\\n')
export default { test: { include: ['test/ok.test.mjs'] } }`,
    )
    const { code, out } = await cli(at, ['run'], {
      under: [join(import.meta.dirname, '../../fixtures/targets/forks.mjs')],
    })
    expect(out).toContain('refused: open /etc/shadow for reading')
    expect(code).toBe(1)
  })

  test('gives workers the directory, the variables and the options that Vitest has, and loads modules after the filter', async () => {
    using at = project('e2e-run')
    at.write('register.cjs', `console.log('REGISTERED', require('node:fs').existsSync('/etc/passwd'))`)
    at.write(
      'vitest.config.mjs',
      `const root = process.cwd()
process.chdir('test')
Object.assign(process.env, { TZ: 'Asia/Tokyo', MINE: '1', DEBUG: 'x' })
export default { root, test: { env: { OF_CONFIG: '2' } } }`,
    )
    for (const name of ['ok', 'secret']) rmSync(join(at.root, `test/${name}.test.mjs`))
    at.write(
      'test/where.test.mjs',
      `import { basename } from 'node:path'
import { expect, test } from 'vitest'
test('is there', () => {
  expect(basename(process.cwd())).toBe('test')
  expect(process.env).toMatchObject({ TZ: 'Asia/Tokyo', MINE: '1', DEBUG: 'x', OF_CONFIG: '2', NODE_ENV: 'test' })
  expect(new Date(0).getHours()).toBe(9)
  expect(process.env.NODE_OPTIONS).toBe('--openssl-shared-config --max-http-header-size=9000')
})`,
    )
    const options = '--openssl-shared-config --max-http-header-size=9000'
    const env = { NODE_OPTIONS: `--require ${at.root}/register.cjs ${options}` }
    const { code, out } = await cli(at, ['run'], { env })
    expect(out).toContain('1 passed')
    // In the worker.
    expect(out).toContain('REGISTERED false')
    expect(code).toBe(0)
  })

  test('lets a test list each directory above its temporary one, where it may without run', async () => {
    using at = project('e2e-run')
    const above = (dir: string): string[] => (dirname(dir) === dir ? [dir] : [dir, ...above(dirname(dir))])
    const list = above(at.tmp).map((dir) => (dir === '/' ? dir : `${dir}/`))
    at.write(
      'seccomp.manifest.json',
      JSON.stringify({ manifest: { read: ['test/data.txt'], write: ['<tmp>/'], list } }),
    )
    at.write(
      'test/ok.test.mjs',
      `import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { test } from 'vitest'
test('lists', () => {
  let dir = tmpdir()
  for (; dir !== '/'; dir = dirname(dir)) readdirSync(dir)
  readdirSync(dir)
})`,
    )
    for (const [command, args] of [
      [vitest, ['run', '--config', 'pool.mjs']],
      [cli, ['run']],
    ] as const) {
      at.write(
        'pool.mjs',
        `import { seccomp } from 'vitest-pool-seccomp'
export default { test: { include: ['test/ok.test.mjs'] }, plugins: [seccomp({ manifest: './seccomp.manifest.json' })] }`,
      )
      const { code, out } = await command(at, args)
      expect(out).not.toContain('refused')
      expect(code).toBe(0)
    }
  })

  test('passes no descriptor on, says so, and the messages behind it', async () => {
    using at = project('e2e-run')
    at.write(
      'vitest.config.mjs',
      `import { createServer } from 'node:net'
import { once } from 'node:events'
process.once('message', (message) => console.error('got', JSON.stringify(message)))
const server = createServer()
await once(server.listen(0, '127.0.0.1'), 'listening')
process.send({ with: 'descriptor' }, server)
process.send({ question: 21, descriptor: true })
server.close()
export default { test: { include: ['test/ok.test.mjs'] } }`,
    )
    const runner = { listen: ['tcp:127.0.0.1:0'] }
    at.write('seccomp.manifest.json', JSON.stringify({ manifest: { read: ['test/data.txt'] }, runner }))
    const under = [join(import.meta.dirname, '../../fixtures/targets/forks.mjs')]
    const { code, out } = await cli(at, ['run'], { under })
    expect(out).toContain('A message of Vitest, which sends messages of JSON alone, came with a descriptor')
    expect(out).toContain('A message to Vitest, which gets messages of JSON alone, came with a descriptor')
    expect(out).toContain('forked: {"question":21,"descriptor":true}')
    expect(out).toContain('got {"answer":42}')
    expect(out).toContain('forked: the other end is closed')
    expect(out).not.toContain('"with"')
    expect(code).toBe(0)
  })

  test.each(COVERAGE)('writes where the config says, without an entry, coverage with %s too', async (provider) => {
    using at = project('e2e-run')
    at.write('src/covered.mjs', 'export const covered = (what) => (what ? 1 : 2)\n')
    at.write(
      'test/ok.test.mjs',
      `import { expect, test } from 'vitest'
import { covered } from '../src/covered.mjs'
test('covers', () => expect(covered(true)).toBe(1))`,
    )
    at.write(
      'vitest.config.mjs',
      `export default {
  test: {
    include: ['test/ok.test.mjs'],
    reporters: ['default', ['junit', { outputFile: 'out/reports/junit.xml' }], 'json'],
    outputFile: { json: './out/all.json' },
    coverage: { enabled: true, provider: '${provider}', reporter: ['json', 'html', 'text'], reportsDirectory: './out/coverage', include: ['src/**'] },
  },
}`,
    )
    const { out, code } = await cli(at, ['run'])
    expect(out).not.toContain('refused')
    expect(code).toBe(0)
    expect(at.read('out/reports/junit.xml')).toContain('<testsuites')
    expect(at.read('out/all.json')).toContain('"numPassedTests":1')
    const coverage: Record<string, { b: Record<string, number[]> }> = JSON.parse(
      at.read('out/coverage/coverage-final.json'),
    )
    // Of the two branches one has run. Vitest 3 tells of each by itself.
    expect(Object.values(coverage[join(at.root, 'src/covered.mjs')]?.b ?? {}).flat()).toEqual([1, 0])
    expect(at.read('out/coverage/index.html')).toContain('covered.mjs')
  })

  describe('projects with configs of their own', () => {
    const two = (runner: object): Project => {
      const at = project('e2e-run')
      for (const name of ['one', 'two']) {
        at.write(`packages/${name}/package.json`, `{ "name": "${name}", "type": "module" }`)
        at.write(
          `packages/${name}/vite.config.ts`,
          `import { appendFileSync } from 'node:fs'
try { appendFileSync('packages/${name}/vite.config.ts', '//') } catch (error) { console.error('config ${name}', error.code) }
export default { test: { name: '${name}' as string, include: ['own.test.ts'] } }`,
        )
        at.write(
          `packages/${name}/own.test.ts`,
          `import { writeFileSync } from 'node:fs'
import { test } from 'vitest'
test('runs', () => { try { writeFileSync(new URL('made.txt', import.meta.url), '') } catch {} })
`,
        )
      }
      at.write('vitest.config.mjs', `export default { test: { projects: ['packages/*'] } }`)
      at.write('seccomp.manifest.json', JSON.stringify({ manifest: {}, runner }))
      return at
    }

    test('run, and the configs stay as they are', async () => {
      using at = two({ write: ['packages/'] })
      const { out, code } = await cli(at, ['run', '--keep-pools'])
      expect(out).toContain('2 passed')
      for (const name of ['one', 'two']) {
        expect(out).toContain(`config ${name} EACCES`)
        expect(out).toContain(`because: the run depends on ${at.root}/packages/${name}/vite.config.ts:`)
      }
      expect(out.match(/refused: /g)).toHaveLength(2)
      expect(code).toBe(1)
      // With --keep-pools, tests get what Vitest itself may use.
      expect(existsSync(join(at.root, 'packages/one/made.txt'))).toBe(true)
    })

    test('are in the pool, though Vitest tells no plugin of them', async () => {
      using at = two({})
      const { out, code } = await cli(at, ['run'])
      expect(out).toContain('2 failed')
      for (const name of ['one', 'two']) {
        expect(out).toContain(`open ${at.root}/packages/${name}/made.txt for writing`)
        expect(existsSync(join(at.root, `packages/${name}/made.txt`))).toBe(false)
        expect(out).toContain(`config ${name} EACCES`)
      }
      // Nothing else of Vitest's own is refused.
      const [, own = ''] = out.split('Refused to Vitest itself')
      expect(own.split('Refused to tests')[0]?.match(/because: /g)).toHaveLength(2)
      expect(code).toBe(1)
    })
  })

  test('starts no test of a project that can run in no pool of this package', async () => {
    using at = project('e2e-run')
    at.write('vitest.config.mjs', `export default { test: { pool: 'vmThreads', include: ['own.test.mjs'] } }`)
    at.write('own.test.mjs', `import { test } from 'vitest'\ntest('runs', () => console.log('RAN'))\n`)
    const { out, code } = await cli(at, ['run'])
    expect(out).toContain('not what the manifest file gives tests: the project in vmThreads')
    expect(out).not.toContain('RAN')
    expect(code).toBe(1)
    expect((await cli(at, ['run', '--keep-pools'])).out).toContain('RAN')
  })

  test('runs no program of a package by the name of one of the system, as npx would find it', async () => {
    using at = project('e2e-run')
    for (const name of ['cat', 'stty']) {
      at.write(`node_modules/.bin/${name}`, `#!/bin/sh\necho ran > '${at.root}/${name}-ran'\n`)
      chmodSync(join(at.root, 'node_modules/.bin', name), 0o755)
    }
    const path = `${at.root}/node_modules/.bin:${process.env.PATH ?? ''}`
    const found = execFileSync('sh', ['-c', 'stty; ls *-ran'], { cwd: at.root, env: { PATH: path }, encoding: 'utf8' })
    expect(found).toBe('stty-ran\n')
    rmSync(join(at.root, 'stty-ran'))
    const { out } = await cli(at, ['run', 'test/'], { env: { PATH: path }, onTerminal: true })
    expect(out).toContain('Test Files')
    expect(['cat', 'stty'].filter((name) => existsSync(join(at.root, `${name}-ran`)))).toEqual([])
  })

  test('needs a manifest file, and says how one is made', async () => {
    using at = project('e2e-run')
    const { code, out } = await cli(at, ['run', '--manifest', './none.json'])
    expect(out).toContain(`found:    './none.json' (${at.root}/none.json), which does not exist`)
    expect(code).toBe(2)
  })

  test('lets neither Vitest nor a test change what the run depends on, whatever is granted', async () => {
    using at = project('e2e-run')
    const manifest = { write: ['./', '!node_modules/.vite/', '!node_modules/.vitest/'] }
    at.write('seccomp.manifest.json', JSON.stringify({ manifest, runner: { write: ['./'] } }))
    at.write('node_modules/dependency/index.js', '1')
    const tries = `
import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
const outcome = (act) => { try { act(); return 'done' } catch (error) { return error.code } }
export const all = () => ({
  manifest: outcome(() => appendFileSync('seccomp.manifest.json', ' ')),
  config: outcome(() => appendFileSync('vitest.config.mjs', ' ')),
  named: outcome(() => appendFileSync('configs/unit.mjs', ' ')),
  shadow: outcome(() => writeFileSync('vite.config.ts', '')),
  package: outcome(() => appendFileSync('package.json', ' ')),
  dependency: outcome(() => appendFileSync('node_modules/dependency/index.js', ' ')),
  moved: outcome(() => renameSync('node_modules', 'elsewhere')),
  root: outcome(() => renameSync('../e2e-run', '../elsewhere')),
  own: outcome(() => writeFileSync('own.txt', '')),
})`
    at.write('tries.mjs', tries)
    at.write(
      'configs/unit.mjs',
      `import { all } from '../tries.mjs'
export default { test: { include: ['test/ok.test.mjs'] }, plugins: [{ name: 'x', configResolved() { console.error('RUNNER', JSON.stringify(all())) } }] }`,
    )
    at.write(
      'test/ok.test.mjs',
      `import { expect, test } from 'vitest'
import { all } from '../tries.mjs'
test('x', () => { console.error('TEST', JSON.stringify(all())) })`,
    )
    const { out } = await cli(at, ['run', '--config', 'configs/unit.mjs'])
    const kept = ['manifest', 'config', 'named', 'shadow', 'package', 'dependency']
    const refused = Object.fromEntries(kept.map((name) => [name, 'EACCES']))
    for (const who of ['RUNNER', 'TEST']) {
      const [, text = '{}'] = new RegExp(`^${who} (.*)$`, 'm').exec(out) ?? []
      expect(JSON.parse(text), `${who} in ${out}`).toEqual({
        ...refused,
        moved: expect.stringMatching(/^E(?:ACCES|XDEV|PERM)$/),
        root: expect.stringMatching(/^E(?:ACCES|XDEV|PERM|BUSY)$/),
        own: 'done',
      })
    }
  })

  test.runIf(vitestMajor > 3)('goes on in watch mode, and ends with its keys', async () => {
    using at = project('e2e-run')
    using vitestRun = startConfined(at, ['--watch'])
    await vitestRun.printed('1 passed')
    writeFileSync(join(at.root, 'test/ok.test.mjs'), `${readFileSync(join(at.root, 'test/ok.test.mjs'), 'utf8')}\n`)
    await vitestRun.printed('1 passed', 2)
    vitestRun.child.kill('SIGTERM')
    const { out, leftovers } = await vitestRun.finished
    expect(out).not.toContain('refused')
    expect(leftovers).toEqual({ processes: [], tmp: [] })
  })

  test.runIf(vitestMajor > 3 && isInstalled('ui'))(
    'serves the page of --ui and its websocket, which hears of a rerun',
    async () => {
      using at = project('e2e-run')
      const port = await freePort()
      using vitestRun = startConfined(at, ['--ui', `--api.port=${port}`])
      await vitestRun.printed('1 passed')
      const [address = ''] = /http:\S+\/__vitest__\/\S*/.exec(vitestRun.output()) ?? []
      expect(new URL(address).port).toBe(String(port))
      // Since Vitest 5 there is a token in it, which one gets a cookie for.
      const first = await fetch(address, { redirect: 'manual' })
      const headers = {
        Cookie: first.headers
          .getSetCookie()
          .map((cookie) => cookie.split(';')[0])
          .join('; '),
      }
      const page =
        first.status === 200 ? first : await fetch(new URL(first.headers.get('location') ?? '', address), { headers })
      expect(page.status).toBe(200)
      const text = await page.text()
      const [, script = ''] = /<script type="module"[^>]* src="([^"]+)"/.exec(text) ?? []
      expect((await fetch(new URL(script, address), { headers })).status).toBe(200)
      const [, token = ''] = /VITEST_API_TOKEN = "([^"]+)"/.exec(text) ?? []
      using socket = await webSocketSays(new URL(`/__vitest_api__?token=${token}`, address), headers, 'onFinished')
      at.write('test/ok.test.mjs', `${at.read('test/ok.test.mjs')}\n`)
      await socket.said
      await vitestRun.printed('1 passed', 2)
      vitestRun.child.kill('SIGTERM')
      const { code, out, leftovers } = await vitestRun.finished
      expect(out).not.toContain('refused')
      expect(code).toBe(143)
      expect(leftovers).toEqual({ processes: [], tmp: [] })
    },
  )
})
