/**
 * Runs the groups of the escape corpus that need no Vitest around them in Vitest's workers all the same: each program as
 * a test of a project of its own, confined by the pool of the version that is named. What the programs do where nothing
 * confines them, run.mjs shows.
 *
 *   node scripts/escapes/in-vitest.mjs [--only <glob>] [--json <file>] [--vitest <vitest.mjs>] [--node <node>] [--verbose]
 *
 * `--vitest`: of another version; vitest-pool-seccomp lies beside it.
 */
import { randomUUID } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import picomatch from 'picomatch'
import { Canaries } from './canaries.mjs'
import { MARK } from './program.mjs'
import { leftovers, received, Stage } from './stage.mjs'
import { Table } from './table.mjs'
import { BEGUN, changesIn, effectsIn, files, run } from './vitest-world.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const project = dirname(dirname(here))
const corpus = `${project}/fixtures/escapes`
const GROUPS = ['filter', 'races', 'paths', 'sockets', 'processes', 'manifest']
const SECONDS = 5
/** For Vitest itself, beside the attempt. */
const START_SECONDS = 20

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '**' }, json: { type: 'string' },
    vitest: { type: 'string', default: `${project}/node_modules/vitest/vitest.mjs` },
    node: { type: 'string', default: process.execPath }, verbose: { type: 'boolean', default: false },
  },
})

/** Runs in Vitest's own process, which is the parent of the worker: what a program could do to it is noted there. */
const CONFIG = `
import { readFileSync, writeFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { seccomp } from 'vitest-pool-seccomp'
import { standing } from 'CANARIES'
import { addressOf } from './escapes/lib/native.mjs'
import { stageFromEnvironment } from './escapes/lib/stage.mjs'

const { secretText } = stageFromEnvironment()
const memory = Buffer.allocUnsafeSlow(64)
memory.fill(0).write(secretText)
writeFileSync('parent.json', JSON.stringify({ address: addressOf(memory), length: memory.length }))
for (const signal of ['SIGUSR2', 'SIGURG']) process.on(signal, () => console.log('CONTACT signal to the parent'))
const before = standing(process.pid)
process.on('exit', () => {
  if (memory.toString('latin1', 0, secretText.length) !== secretText) console.log('CONTACT the memory of the parent was changed')
  if (standing(process.pid) !== before) console.log('CONTACT the parent was changed')
})

const { manifest, workers, timeout } = JSON.parse(readFileSync('setting.json', 'utf8'))
export default defineConfig({
  // Of the environment no more than the other world gives: by default a worker has all of it.
  plugins: [seccomp({ manifest, env: { pass: ['ESCAPES_STAGE', 'HOME', 'LANG'] } })],
  // Imported by Node, as in the other world.
  test: { testTimeout: timeout, maxWorkers: workers, server: { deps: { external: [/[/]escapes[/]/] } } },
})
`

/** The second test fails, so that a run which passes is the work of the first. */
const TEST = `
import { readFileSync, writeSync } from 'node:fs'
import { test } from 'vitest'
import { stageFromEnvironment } from '../escapes/lib/stage.mjs'
import { attempt } from '../escapes/PROGRAM.mjs'

test('attempt', async () => {
  writeSync(1, '\\n${BEGUN}\\n')
  const parentMemory = JSON.parse(readFileSync('parent.json', 'utf8'))
  let result
  try {
    const evidence = await attempt({ ...stageFromEnvironment(), parentPid: process.ppid, parentMemory, worker: WORKER })
    result = evidence ? { evidence } : { refused: 'nothing came of it' }
  } catch (error) {
    result = { refused: String(error?.message ?? error).slice(0, 300) }
  }
  writeSync(1, '\\n${MARK}' + JSON.stringify(result) + '\\n')
})

test('fails', () => {
  throw new Error('as it should')
})
`

/** The grants of worlds.mjs, as entries of a manifest. */
function manifestFor({ playground, grantedFile, readOnlyFile, ...stage }, root, grants) {
  const lists = {
    read: [grantedFile, readOnlyFile, `${root}/escapes/`, `${root}/parent.json`], write: [`${playground}/`], exec: [], connect: [], listen: [],
  }
  const spelled = (shape, path, pattern) => (shape === 'tree' ? `${path}/` : shape === 'glob' ? pattern : path)
  const LIST = { read: 'read', write: 'write', execute: 'exec' }
  grants({
    grant(access, ...place) {
      // Base grants give the content of devices; no entry of a manifest does.
      if (access !== 'content') lists[LIST[access]].push(spelled(...place))
    },
    exclude: (...place) => void lists.write.push(`!${spelled(...place)}`),
    unix: (access, path) => void lists[access].push(`unix:${path}`),
    loopback: (access, protocol, port) => void lists[access].push(`${protocol}:127.0.0.1:${port}`),
  }, { playground, grantedFile, readOnlyFile, ...stage })
  return lists
}

// Vitest's own process gets it: the canary in its environment.
process.env.ESCAPES_TOKEN = randomUUID()
const base = mkdtempSync(join(tmpdir(), 'escapes-in-vitest-'))
const secretText = `canary-${randomUUID()}`
const canaries = new Canaries(secretText)
const addresses = await canaries.open(base)
const vitest = resolve(options.vitest)
symlinkSync(dirname(dirname(vitest)), join(base, 'node_modules'))
mkdirSync(join(base, 'tmp'))
let count = 0

async function confined(name, { grants = () => [], workers = 1, patience = SECONDS }) {
  const stage = new Stage(join(base, `stage-${++count}`), secretText, { ...addresses, ...canaries.facts })
  const started = Date.now()
  const root = join(base, `project-${count}`)
  for (const dir of ['test', 'node_modules']) mkdirSync(join(root, dir), { recursive: true })
  for (const path of ['lib', `${name}.mjs`]) cpSync(join(corpus, path), join(root, 'escapes', path), { recursive: true })
  const setting = { manifest: manifestFor(stage.facts, root, grants), workers, timeout: patience * 1000 }
  const text = {
    'package.json': '{ "name": "escapes", "private": true, "type": "module" }\n', 'parent.json': '',
    'vitest.config.mjs': CONFIG.replace('CANARIES', `${here}/canaries.mjs`), 'setting.json': JSON.stringify(setting),
  }
  for (const [path, content] of Object.entries(text)) writeFileSync(join(root, path), content)
  for (let worker = 0; worker < workers; worker++) {
    writeFileSync(join(root, `test/escape-${worker}.test.mjs`), TEST.replace('PROGRAM', name).replace('WORKER', worker))
  }
  const before = files(root)
  const { output, ...result } = await run(options.node, vitest, root, join(base, 'tmp'), stage.facts, patience + START_SECONDS)
  const { written } = stage
  const left = leftovers(stage.root)
  const effects = [
    ...effectsIn({ output, ...result }, stage.facts), ...changesIn(root, before, stage.facts).filter((change) => !change.startsWith('parent.json ')),
    ...stage.changes(), ...await canaries.take(), ...(output.match(/(?<=CONTACT ).*/g) ?? []),
    ...left.map((pid) => `process ${pid} goes on`), ...received(stage.root).map((path) => `the parent holds ${path} now`),
    ...(stage.written === written ? [] : ['somebody still writes to the playground']),
  ]
  for (const pid of left) process.kill(pid, 'SIGKILL')
  stage.close()
  rmSync(root, { recursive: true, force: true })
  const shown = options.verbose ? { output } : {}
  return { ...result, effects, escaped: result.evidence !== undefined || effects.length > 0, milliseconds: Date.now() - started, ...shown }
}

const wanted = picomatch(options.only)
const names = GROUPS.flatMap((group) => readdirSync(join(corpus, group)).filter((file) => file.endsWith('.mjs')).sort()
  .map((file) => `${group}/${basename(file, '.mjs')}`)).filter((name) => wanted(name))
const table = new Table(options.verbose)
for (const name of names) {
  const module = await import(pathToFileURL(`${corpus}/${name}.mjs`).href)
  const { title, vector, unconfined: expected, promised } = module
  table.add({ name, title, vector, expected, promised }, undefined, await confined(name, module))
}

canaries.close()
rmSync(base, { recursive: true, force: true })
process.exit(table.close(options.json))
