/** Watch mode: re-runs, with the manifest's disk as it is by then, and a clean end. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { carrying, nodeBin, project, start, vitestBin, vitestMajor, type Project } from './run-vitest.js'

/** 'Waiting', or after a failure 'Watching'. */
const IDLE = /Wa(?:it|tch)ing for file changes/
const SECOND = /VALUE second in (\d+) one/g

/** The project with its manifest in a file, `m.json`, which grants nothing yet. */
function withManifestFile(): Project {
  const at = project('e2e-watch')
  at.write('vitest.config.mjs', at.read('vitest.config.mjs').replace("{ read: ['data/'] }", "'./m.json'"))
  at.write('m.json', '{}')
  return at
}

test('runs again what a change concerns, and leaves nothing behind', async () => {
  using at = project('e2e-watch')
  using vitest = start(at, ['--watch'])
  await vitest.printed(IDLE)
  expect(vitest.output()).toContain('VALUE first one')

  at.write('src/value.mjs', 'export const value = `second in ${process.pid}`\n')
  await vitest.printed(SECOND)
  await vitest.printed(IDLE, 2)
  expect(vitest.output().split('OTHER')).toHaveLength(2)

  at.write('notes.txt', 'a note')
  at.write('test/value.test.mjs', at.read('test/value.test.mjs').replace("'data/one.txt'", "'notes.txt'"))
  await vitest.printed("read: ['notes.txt']")
  await vitest.printed(IDLE, 3)

  at.write('test/value.test.mjs', at.read('test/value.test.mjs').replace("'notes.txt'", "'data/one.txt'"))
  await vitest.printed(SECOND, 2)
  await vitest.printed(IDLE, 4)
  const ran = [...vitest.output().matchAll(SECOND)].map(([, pid]) => pid)
  // Vitest does not wait for the last worker's end before it says that it waits.
  const waiting = (): readonly (string | undefined)[] =>
    carrying(vitest.mark)
      .filter((line) => line.includes('child.cjs'))
      .map((line) => line.split(' ')[0])
      .filter((pid) => !ran.includes(pid))
  // One is ready for the next run. Vitest 3 keeps more.
  if (vitestMajor > 3) {
    await expect.poll(waiting, { interval: 5 }).toHaveLength(1)
    const [ready] = waiting()
    at.write('src/value.mjs', 'export const value = `third in ${process.pid}`\n')
    await vitest.printed(`VALUE third in ${ready} one`)
  }

  vitest.child.kill('SIGTERM')
  const ended = await vitest.finished
  expect(ended.leftovers).toEqual({ processes: [], tmp: [] })
})

test('a change of the manifest file counts at once', async () => {
  using at = withManifestFile()
  using vitest = start(at, ['--watch'])
  await vitest.printed("read: ['data/one.txt']")
  await vitest.printed(IDLE)
  at.write('m.json', '{ "manifest": { "read": ["data/"] } }')
  await vitest.printed('VALUE first one')
  vitest.child.kill('SIGTERM')
  await vitest.finished
})

test('what was installed or edited between runs is seen, whichever way it is loaded', async () => {
  using at = project('e2e-watch')
  const installed = (path: string, text: string): void => at.write(`node_modules/${path}`, text)
  installed('kept/package.json', '{ "name": "kept", "main": "index.cjs" }')
  installed('kept/index.cjs', "module.exports = 'kept 1'\n")
  installed('esm/package.json', '{ "name": "esm", "type": "module", "exports": "./index.js" }')
  installed('esm/index.js', "export default 'esm 1'\n")
  at.write(
    'test/value.test.mjs',
    [
      "import { createRequire } from 'node:module'",
      "import { readFileSync } from 'node:fs'",
      "import { test } from 'vitest'",
      "import esm from 'esm'",
      "import kept from 'kept'",
      "import { value } from '../src/value.mjs'",
      'const require = createRequire(import.meta.url)',
      // So the next run begins while this worker still ends.
      "process.on('SIGTERM', () => {})",
      "test('says what it loaded', () => {",
      '  let later',
      "  try { later = require('later') } catch (error) { later = error.code }",
      "  const text = readFileSync(require.resolve('kept'), 'utf8').trim()",
      "  console.log('LOADED', value, esm, kept, later, text)",
      '})',
      '',
    ].join('\n'),
  )
  using vitest = start(at, ['--watch'])
  await vitest.printed("LOADED first esm 1 kept 1 MODULE_NOT_FOUND module.exports = 'kept 1'")
  await vitest.printed(IDLE)

  installed('kept/index.cjs', "module.exports = 'kept 2'\n")
  installed('esm/index.js', "export default 'esm 2'\n")
  installed('later/index.js', "module.exports = 'later'\n")
  at.write('src/value.mjs', "export const value = 'second'\n")
  await vitest.printed("LOADED second esm 2 kept 2 later module.exports = 'kept 2'")
  await vitest.printed(IDLE, 2)
  vitest.child.kill('SIGTERM')
  await vitest.finished
})

test("after a change of the config, an edit between runs is still the user's own", async () => {
  using at = project('e2e-watch')
  const config = at.read('vitest.config.mjs').replace("{ read: ['data/'] }", "{ read: ['data/'], write: ['src/'] }")
  at.write('vitest.config.mjs', config)
  at.write('src/typed.ts', "export const value: string = 'first'\n")
  at.write('test/value.test.mjs', at.read('test/value.test.mjs').replace('value.mjs', 'typed.ts'))
  using vitest = start(at, ['--watch'])
  await vitest.printed('VALUE first one')
  await vitest.printed(IDLE)
  at.write('vitest.config.mjs', `${config}\n`)
  await vitest.printed('VALUE first one', 2)
  await vitest.printed(IDLE, 2)
  at.write('src/typed.ts', "export const value: string = 'second'\n")
  await vitest.printed('VALUE second one')
  vitest.child.kill('SIGTERM')
  await vitest.finished
})

const CONNECTS = [
  "import { connect } from 'node:net'",
  "import { test } from 'vitest'",
  "test('looks for the API', async () => {",
  '  for (let left = 20; left > 0; left--)',
  '    for (const port of [PORT, PORT + 1]) {',
  "      const socket = connect(port, '127.0.0.1')",
  "      const code = await new Promise((resolve) => socket.on('connect', () => resolve('CONNECTED')).on('error', (error) => resolve(error.code)))",
  '      socket.destroy()',
  "      if (code === 'CONNECTED') console.log('REACHED', port)",
  '      await new Promise((resolve) => setTimeout(resolve, 50))',
  '    }',
  "  console.log('LOOKED')",
  '})',
  '',
].join('\n')

test("after a change of the config, no test begins before the port of Vitest's API is known", async () => {
  using at = project('e2e-watch')
  // Somebody else has the port of the config, so that the API has the next.
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const config = at
    .read('vitest.config.mjs')
    .replace("{ read: ['data/'] }", "{ connect: ['tcp:127.0.0.1:*'] }")
    .replace(' })] })', ` }), slow], test: { testTimeout: 30_000, api: { port: ${port}, host: '127.0.0.1' } } })`)
  const slow = "const slow = { name: 'slow', buildStart: () => new Promise((resolve) => setTimeout(resolve, 1000)) }"
  at.write('vitest.config.mjs', config.replace('export default', `${slow}\nexport default`))
  at.write('test/value.test.mjs', CONNECTS.replaceAll('PORT', String(port)))
  using vitest = start(at, ['--watch'])
  await vitest.printed('LOOKED')
  await vitest.printed(IDLE)
  at.write('vitest.config.mjs', `${at.read('vitest.config.mjs')}\n`)
  await vitest.printed('LOOKED', 2)
  expect(vitest.output()).not.toContain('REACHED')
  vitest.child.kill('SIGTERM')
  await vitest.finished
  other.close()
})

const LINKS = [
  "import { symlinkSync, unlinkSync } from 'node:fs'",
  "import { test } from 'vitest'",
  "test('makes a link', () => {",
  '  let done',
  "  try { symlinkSync('/', 'shared/link'); done = 'made' } catch (error) { done = error.code }",
  "  console.log('LINK', done)",
  "  if (done === 'made') unlinkSync('shared/link')",
  '})',
  '',
].join('\n')

test.skipIf(vitestMajor < 4)(
  'after a change of the config, no test puts a link where an entry of another project leads',
  async () => {
    using at = project('e2e-watch')
    const configWith = (read: string): string => `
    import { defineConfig } from 'vitest/config'
    import { seccompPool } from 'vitest-pool-seccomp'
    const named = (name, groupOrder, manifest) =>
      ({ test: { name, include: [\`test/\${name}.test.mjs\`], sequence: { groupOrder }, pool: seccompPool({ manifest }) } })
    export default defineConfig({
      test: { projects: [named('links', 1, { write: ['shared/'] }), named('reads', 2, { read: ['${read}'] })] },
    })`
    at.write('shared/note.txt', '')
    at.write('test/links.test.mjs', LINKS)
    at.write('test/reads.test.mjs', "import { test } from 'vitest'\ntest('reads', () => {})\n")
    at.write('vitest.config.mjs', configWith('data/'))
    using vitest = start(at, ['--watch'])
    await vitest.printed('LINK made')
    await vitest.printed(IDLE)
    at.write('vitest.config.mjs', configWith('shared/link/etc/'))
    await vitest.printed('LINK EACCES')
    vitest.child.kill('SIGTERM')
    await vitest.finished
  },
)

const FINDS = [
  "import { spawnSync } from 'node:child_process'",
  "import { test } from 'vitest'",
  "import { value } from '../src/value.mjs'",
  "test('says what it found', () => {",
  "  console.log('FOUND', value, globalThis.before, spawnSync('/bin/true').error?.code ?? 'ran')",
  '})',
  '',
].join('\n')

test('the worker that waits may run what the manifest grants by then', async () => {
  using at = withManifestFile()
  at.write('test/value.test.mjs', FINDS)
  using vitest = start(at, ['--watch'])
  await vitest.printed('FOUND first undefined EACCES')
  await vitest.printed(IDLE)
  at.write('m.json', '{ "manifest": { "exec": ["/bin/true"] } }')
  await vitest.printed('FOUND first undefined ran')
  vitest.child.kill('SIGTERM')
  await vitest.finished
})

// Vitest 3 has no such option on the command line, and its workers do not start ahead.
test.skipIf(vitestMajor < 4)('what is loaded before a test file is loaded anew for each run', async () => {
  using at = project('e2e-watch')
  at.write('before.mjs', "globalThis.before = 'one'\n")
  at.write('test/value.test.mjs', FINDS)
  using vitest = start(at, ['--watch', '--execArgv=--import', `--execArgv=${at.root}/before.mjs`])
  await vitest.printed('FOUND first one')
  await vitest.printed(IDLE)
  at.write('before.mjs', "globalThis.before = 'two'\n")
  at.write('src/value.mjs', "export const value = 'second'\n")
  await vitest.printed('FOUND second two')
  vitest.child.kill('SIGTERM')
  await vitest.finished
})

/** util-linux: a terminal around a command. */
const hasTerminal = spawnSync('script', ['--version']).error === undefined

test.skipIf(!hasTerminal)(
  'on a terminal, a key adds what was refused to the manifest file, and the tests run again',
  async () => {
    using at = withManifestFile()
    // Beside installed packages is kept what a run refused.
    at.write('node_modules/none/package.json', '{}')
    const terminal = spawn('script', ['-qefc', `'${nodeBin}' '${vitestBin}' --watch`, '/dev/null'], {
      cwd: at.root,
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: at.tmp, NO_COLOR: '1', CI: undefined, VITEST: undefined, TERM: 'dumb' },
    })
    let out = ''
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    const ended = once(terminal, 'exit')
    const printed = (text: string | RegExp): Promise<void> =>
      expect.poll(() => stripVTControlCharacters(out), { interval: 20 }).toMatch(text)
    try {
      await printed('press Ctrl+S to add what is not dangerous to ./m.json')
      await printed(IDLE)
      // As in the answer of a terminal that a test has asked for its name (ctlseqs, XTVERSION).
      terminal.stdin.write('s')
      // While Vitest asks for a pattern, the key is text.
      terminal.stdin.write('t')
      await printed('Input test name pattern')
      terminal.stdin.write('s\x13')
      await printed('Pattern matches')
      expect(at.read('m.json')).toBe('{}')
      terminal.stdin.write('\x03')
      await expect
        .poll(
          () => {
            terminal.stdin.write('\x13')
            return at.read('m.json')
          },
          { interval: 200 },
        )
        .toContain('"data/one.txt"')
      await printed('VALUE first one')
    } finally {
      terminal.stdin.write('q')
      const patience = setTimeout(() => terminal.kill('SIGTERM'), 10_000)
      await ended
      clearTimeout(patience)
    }
  },
)
