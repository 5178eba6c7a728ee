/**
 * The worlds of the group `vitest`: a project that runs in Vitest's own pool, the same one confined, and the first of them behind
 * `vitest-seccomp run`, which knows neither gate nor pool of ours: what a way through Vitest's process reaches there.
 */
import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MARK } from './program.mjs'
import { plantModules } from './stage.mjs'

const fixtures = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'fixtures/escapes')
/** What a program needs besides, and is not installed beside this Vitest. */
export const missingFor = ({ needs = [] }, vitest) =>
  needs.filter((name) => !existsSync(join(dirname(dirname(vitest)), name, 'package.json')))

/** What stands in the output once an attempt runs: without it, nothing was tried. */
export const BEGUN = 'ESCAPE-BEGUN'
const OUTPUT_LIMIT = 1024 * 1024
const TEST_MS = 20_000

const CONFIG = `
import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { seccomp } from 'vitest-pool-seccomp'
IMPORTS

const { manifest, options, test } = JSON.parse(readFileSync(new URL('./setting.json', import.meta.url), 'utf8'))
export default defineConfig({
  plugins: [...(manifest === null ? [] : [seccomp({ manifest, ...options })]), PLUGINS],
  // Vite 6.4 looks at this for Vitest 3, too: what it denies by itself shows nothing.
  server: { fs: { strict: false } },
  test: { pool: manifest === null ? 'forks' : undefined, css: true, testTimeout: TEST_MS, ...test },
})
`

const ATTEMPT = `let result
  try {
    const evidence = await attempt(stageFromEnvironment())
    result = evidence ? { evidence } : { refused: 'nothing came of it' }
  } catch (error) {
    result = { refused: String(error?.message ?? error).slice(0, 300) }
  }`

/**
 * The second test fails, so that a run which passes is the work of the first. The name of a matcher lets the tests write into
 * the file.
 */
const TEST = `
// toMatchInlineSnapshot
import { writeSync } from 'node:fs'
import { test } from 'vitest'
import { stageFromEnvironment } from '../escapes/lib/stage.mjs'
import { attempt } from '../escapes/vitest/PROGRAM.mjs'

test('attempt', async () => {
  writeSync(1, '\\n${BEGUN}SUFFIX\\n')
  ${ATTEMPT}
  writeSync(1, '\\n${MARK}SUFFIX' + JSON.stringify(result) + '\\n')
})

test('fails', () => {
  throw new Error('as it should')
})
`

/** `vitest`: path of vitest.mjs, beside which the packages lie. `slow`: how many times more time a test gets. */
export function vitestWorlds(base, { vitest, node, slow = 1 }) {
  symlinkSync(dirname(dirname(vitest)), join(base, 'node_modules'))
  mkdirSync(join(base, 'tmp'))
  /**
   * `setting`: what a program needs beside the usual, made of the stage and the root: `test` (of the config), `imports` and
   * `plugins` (text of the config), `files` (by path), `manifest` (entries more), `options` (of the pool, besides), `args`, `group` (of the corpus, if it is another). `found`: what it finds afterwards. `changes`: the project's files that it is granted to change. `skips`: it has tests of its own skipped.
   */
  const world =
    (kind, { isConfined = false, command = vitest, args = [] }) =>
    async (name, stage, seconds, { setting, found, changes = [], skips = false } = {}) => {
      const root = join(base, `project-${kind}-${name}`)
      const own = setting?.(stage, root) ?? {}
      const env = writeProject(root, name, stage, own, isConfined)
      const before = files(root)
      const ended = await run({
        node,
        command,
        args: [...args, ...(slow === 1 ? [] : [`--testTimeout=${TEST_MS * slow}`]), ...(own.args ?? [])],
        cwd: root,
        tmp: join(base, 'tmp'),
        env,
        seconds,
      })
      const more = found?.({ ...ended, root, stage, command: runOf(vitest) }) ?? []
      const effects = [...effectsIn(ended, stage, skips), ...changesIn(root, before, stage, changes), ...more]
      return { ...ended, ...resultIn(ended), effects }
    }
  return {
    stock: world('stock', {}),
    confined: world('confined', { isConfined: true }),
    walled: world('walled', { command: runOf(vitest), args: ['--keep-pools'] }),
    /** With this pool, as everybody has it. */
    behindRun: world('run', { command: runOf(vitest) }),
  }
}

/**
 * A program's project. Returns what has to be in the environment of its tests. `own`: its setting; `suffix`: of the lines by which it is found in the
 * output.
 */
export function writeProject(root, name, stage, own, isConfined, suffix = '') {
  const { playground, grantedFile, readOnlyFile } = stage
  const manifest = { read: [grantedFile, readOnlyFile], write: [`${playground}/`, '<tmp>/'], ...own.manifest }
  const text = {
    'package.json': '{ "name": "escapes", "private": true, "type": "module" }\n',
    'vitest.config.mjs': CONFIG.replace('TEST_MS', `${TEST_MS}`)
      .replace('IMPORTS', own.imports ?? '')
      .replace('PLUGINS', own.plugins ?? ''),
    'seccomp.manifest.json': JSON.stringify({ runner: manifest }),
    'test/escape.test.mjs': TEST.replace('PROGRAM', name).replaceAll('SUFFIX', suffix),
  }
  for (const dir of ['test', 'src', 'node_modules', '.vitest-attachments']) {
    mkdirSync(join(root, dir), { recursive: true })
  }
  for (const [path, content] of Object.entries({ ...text, ...own.files })) {
    const at = resolve(root, path)
    mkdirSync(dirname(at), { recursive: true })
    writeFileSync(at, content)
  }
  for (const path of ['lib', `${own.group ?? 'vitest'}/${name}.mjs`]) {
    cpSync(join(fixtures, path), join(root, 'escapes', path), { recursive: true })
  }
  const planted = { ...plantModules(join(root, 'src'), stage), oddModules: plantOddMaps(join(root, 'src'), stage) }
  const env = { ESCAPES_STAGE: encoded({ ...stage, ...planted, projectRoot: root }) }
  const test = suffix === '' ? own.test : { ...own.test, env, name }
  writeFileSync(
    join(root, 'setting.json'),
    JSON.stringify({ manifest: isConfined ? manifest : null, options: own.options, test }),
  )
  return env
}

/** A program of the group `runner` as one of the group `vitest`: its attempt is made by a plugin. */
export function asPlugin(name, program) {
  const setting = (stage, root) => {
    const own = program.setting?.(stage, root) ?? {}
    return {
      ...own,
      group: 'runner',
      imports: `import { writeSync } from 'node:fs'
import { attempt } from './escapes/runner/${name}.mjs'
import { stageFromEnvironment } from './escapes/lib/stage.mjs'
${own.imports ?? ''}`,
      plugins: `${HIJACKED}, ${own.plugins ?? '[]'}`,
      files: { 'test/escape.test.mjs': FAILS, ...own.files },
    }
  }
  return { ...program, setting }
}

const HIJACKED = `{
  name: 'hijacked',
  async configResolved() {
    ${ATTEMPT}
    writeSync(1, '\\n${MARK}' + JSON.stringify(result) + '\\n')
  },
}`

const FAILS = `import { test } from 'vitest'
test('fails', () => {
  throw new Error('as it should')
})
`

/** Names of sources that become another path while Vite combines maps: TypeScript, so that it has two to combine. */
function plantOddMaps(dir, { secretFile }) {
  const names = {
    drive: `C:${'/..'.repeat(12)}${secretFile}`,
    linux: `/../linux${secretFile}`,
    virtual: `virtual:x/${relative(dir, secretFile).replace(/^/, '../')}`,
  }
  return Object.entries(names).map(([name, source]) => {
    const map = Buffer.from(JSON.stringify({ version: 3, sources: [source], names: [], mappings: 'AAAA' }))
    const comment = `data:application/json;base64,${map.toString('base64')}`
    const path = join(dir, `${name}.ts`)
    writeFileSync(path, `export const odd: number = 1\n//# sourceMappingURL=${comment}\n`)
    return path
  })
}

export const runOf = (vitest) => join(dirname(dirname(vitest)), 'vitest-pool-seccomp/dist/cli/bin.js')

/** A stage, so that whoever reads it does not find the secret in it. */
export const encoded = (stage) => Buffer.from(JSON.stringify(stage)).toString('base64')

/** `skips`: the program has tests of its own skipped. */
export function effectsIn({ output: all, code, timedOut }, { secretText, tokenEnv }, skips = false) {
  const output = withoutResults(all)
  return [
    ...(output.includes(secretText) ? ['the output shows the secret'] : []),
    ...(output.includes(`${tokenEnv}=`) ? ['the output shows the environment of the parent'] : []),
    ...(code === 0 ? ['the run passed, although a test failed'] : []),
    ...(timedOut ? ['the run did not end'] : []),
    ...(!skips && / Tests .*skipped/.test(output) ? ['the run was cut short'] : []),
  ]
}

/** What Vitest itself writes: results and caches. */
const OWN = /^(?:node_modules|\.vitest|\.vitest-attachments|\.vite|coverage|out)\//

/** Vitest's cache of what it has transformed, for its global setup as well. No worker may read there. */
const TRANSFORMED = /^node_modules\/\.(?:experimental-)?vitest-cache\//

/** `permitted`: the paths that a program is granted to change. */
export function changesIn(root, before, { secretText }, permitted = []) {
  const after = files(root)
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (path) => before[path] !== after[path] && !OWN.test(path) && !permitted.includes(path),
  )
  const copies = Object.keys(after).filter((path) => after[path].includes(secretText) && !TRANSFORMED.test(path))
  return [
    ...changed.map((path) => `${path} of the project was changed`),
    ...copies.map((path) => `${path} holds the secret`),
  ]
}

export function files(root) {
  const real = realpathSync(root)
  // Node 24 goes into directories that links lead to.
  const found = readdirSync(real, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && realpathSync(entry.parentPath) === entry.parentPath,
  )
  return Object.fromEntries(
    found.map(({ parentPath, name }) => {
      const path = join(parentPath, name)
      return [relative(real, path), readFileSync(path, 'latin1')]
    }),
  )
}

/** Vitest in `cwd`: what it printed, how it ended, and whether it had to be ended. `env`: besides the usual. */
export async function run({ node, command, args = [], cwd, tmp, env, seconds }) {
  const { PATH, HOME, ESCAPES_TOKEN } = process.env
  const child = spawn(node, [command, 'run', ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { PATH, HOME, ESCAPES_TOKEN, TMPDIR: tmp, NO_COLOR: '1', LANG: 'C.UTF-8', ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-OUTPUT_LIMIT)
    })
  }
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    endGroup(child.pid)
  }, seconds * 1000)
  // A process that is left behind may hold the pipes open.
  const code = await new Promise((resolve) => {
    child.once('exit', (status) => setTimeout(resolve, 50, status))
  })
  clearTimeout(timer)
  endGroup(child.pid)
  return { code, timedOut, output }
}

/** What an attempt said of itself. `name`: where several print into one output, which one. */
export function resultIn({ output, code }, name = '') {
  const mark = `${MARK}${name}`
  const lines = output.split('\n').filter((text) => text.startsWith(mark))
  const line = lines.find((text) => text.includes('"evidence"')) ?? lines.at(-1)
  if (line !== undefined) return JSON.parse(line.slice(mark.length))
  const [mistake] = /^ManifestError: .*(?:\n  .*)*/m.exec(output) ?? []
  if (mistake !== undefined) return { refused: mistake }
  return output.includes(`${BEGUN}${name}`)
    ? { refused: `no result (exit code ${code})` }
    : { failed: `it did not begin: ${output.slice(-600)}` }
}

/** The result lines tell of the secret by themselves. */
const withoutResults = (output) =>
  output
    .split('\n')
    .filter((text) => !text.startsWith(MARK))
    .join('\n')

function endGroup(leader) {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}
