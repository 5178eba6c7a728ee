/** A project in which programs of the corpus are test files, each with the grants that it asks for. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MARK } from './program.mjs'
import { BEGUN, encoded } from './vitest-world.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const corpus = join(dirname(dirname(here)), 'fixtures/escapes')

/** Runs in Vitest's own process, which is the parent of the workers: what a program could do to it is noted there. */
const CONFIG = `
import { readFileSync, writeFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { seccomp } from 'vitest-pool-seccomp'
import { standing } from 'CANARIES'
import { addressOf } from './escapes/lib/native.mjs'
import { stageFromEnvironment } from './escapes/lib/stage.mjs'

const { options, workers, stage } = JSON.parse(readFileSync('setting.json', 'utf8'))
const { secretText } = stageFromEnvironment(stage)
const memory = Buffer.allocUnsafeSlow(64)
memory.fill(0).write(secretText)
writeFileSync('parent.json', JSON.stringify({ address: addressOf(memory), length: memory.length }))
for (const signal of ['SIGUSR2', 'SIGURG']) process.on(signal, () => console.log('CONTACT signal to the parent'))
const before = standing(process.pid)
process.on('exit', () => {
  if (memory.toString('latin1', 0, secretText.length) !== secretText) console.log('CONTACT the memory of the parent was changed')
  if (standing(process.pid) !== before) console.log('CONTACT the parent was changed')
})

export default defineConfig({
  plugins: [seccomp(options)],
  // Imported by Node, as in the other world.
  test: { maxWorkers: workers, server: { deps: { external: [/[/]escapes[/]/] } } },
})
`

/** The second test fails, so that a file which passes is the work of the first. */
const test = ({ name, stage, patience }, worker) => `
import { readFileSync, writeSync } from 'node:fs'
import { test } from 'vitest'
import { stageFromEnvironment } from '../escapes/lib/stage.mjs'
import { attempt } from '../escapes/${name}.mjs'

test('attempt', async () => {
  writeSync(1, '\\n${BEGUN}${name} \\n')
  const parentMemory = JSON.parse(readFileSync('parent.json', 'utf8'))
  let result
  try {
    const stage = stageFromEnvironment('${encoded(stage.facts)}')
    const evidence = await attempt({ ...stage, parentPid: process.ppid, parentMemory, worker: ${worker} })
    result = evidence ? { evidence } : { refused: 'nothing came of it' }
  } catch (error) {
    result = { refused: String(error?.message ?? error).slice(0, 300) }
  }
  writeSync(1, '\\n${MARK}${name} ' + JSON.stringify(result) + '\\n')
}, ${patience * 1000})

test('fails', () => {
  throw new Error('as it should')
})
`

/** The grants of worlds.mjs, as entries of a manifest. */
function manifestFor({ facts, grants, resources }) {
  const { playground, grantedFile, readOnlyFile } = facts
  const lists = { read: [grantedFile, readOnlyFile], write: [`${playground}/`], exec: [], connect: [], listen: [] }
  const spelled = (shape, path, pattern) => (shape === 'tree' ? `${path}/` : shape === 'glob' ? pattern : path)
  const LIST = { read: 'read', write: 'write', execute: 'exec' }
  grants(
    {
      grant(access, ...place) {
        // Base grants give the content of devices; no entry of a manifest does.
        if (access !== 'content') lists[LIST[access]].push(spelled(...place))
      },
      exclude(...place) {
        for (const list of [lists.read, lists.write]) list.push(`!${spelled(...place)}`)
      },
      unix: (access, path) => void lists[access].push(`unix:${path}`),
      loopback: (access, protocol, port) => void lists[access].push(`${protocol}:127.0.0.1:${port}`),
    },
    facts,
  )
  return { ...lists, resources: resources(facts) }
}

const testsOf = ({ name, workers }) =>
  Array.from({ length: workers }, (_, worker) => `test/${name.replace('/', '--')}-${worker}.test.mjs`)

/** `programs`: each with `name`, `stage`, `grants`, `resources`, `workers` and `patience`. */
export function layOut(root, programs) {
  for (const dir of ['test', 'node_modules']) mkdirSync(join(root, dir), { recursive: true })
  for (const path of ['lib', ...programs.map(({ name }) => `${name}.mjs`)]) {
    cpSync(join(corpus, path), join(root, 'escapes', path), { recursive: true })
  }
  const files = Object.fromEntries(
    programs.flatMap((program) =>
      testsOf(program).map((path) => [path, manifestFor({ ...program, facts: program.stage.facts })]),
    ),
  )
  const setting = {
    // Of the environment no more than the other world gives: by default a worker has all of it.
    options: {
      manifest: { read: [`${root}/escapes/`, `${root}/parent.json`] },
      files,
      env: { pass: ['ESCAPES_RACE_SHARE', 'HOME', 'LANG'] },
    },
    workers: Math.max(...programs.map(({ workers }) => workers)),
    stage: encoded(programs[0].stage.facts),
  }
  const text = {
    'package.json': '{ "name": "escapes", "private": true, "type": "module" }\n',
    'parent.json': '',
    'vitest.config.mjs': CONFIG.replace('CANARIES', `${here}/canaries.mjs`),
    'setting.json': JSON.stringify(setting),
    // Only a run behind the broker reads it: what this config needs, and for tests the same as in the options.
    'seccomp.manifest.json': JSON.stringify({
      manifest: setting.options.manifest,
      files,
      runner: { read: [`${here}/`, `${corpus}/`], write: ['parent.json'] },
    }),
  }
  for (const [path, content] of Object.entries(text)) writeFileSync(join(root, path), content)
  for (const program of programs) {
    for (const [worker, path] of testsOf(program).entries()) writeFileSync(join(root, path), test(program, worker))
  }
}

/**
 * What Vitest's JSON report says of a program's files: `passed` is what must not be, and `unclear` where a worker died before
 * its second test, of which the report tells nothing: then only the exit code of a run of its own does.
 */
export function verdictOn(program, root, report) {
  const tests = JSON.parse(readFileSync(report, 'utf8'))
    .testResults.filter(({ name }) => testsOf(program).some((path) => name === join(root, path)))
    .flatMap(({ assertionResults }) => assertionResults)
  const ends = tests.filter(({ title }) => title === 'fails').map(({ status }) => status)
  const passed = ends
    .filter((status) => status === 'passed' || status === 'skipped')
    .map((status) => `the test that fails: ${status}`)
  return { passed, unclear: ends.filter((status) => status === 'failed').length !== program.workers }
}
