// One run of one suite in one of the worlds, by a generated Vitest config beside the suite's own:
//   stock      Vitest's forks pool
//   confined   our pool, with the manifest that suites.mjs has for the suite
//   recording  our pool, refusing nothing, under `vitest-seccomp record`
//   recorded   our pool, with the manifest that came of that
//   run-recording, run   Vitest itself behind `vitest-seccomp run`, which first writes what it used into that manifest
import fs from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './checkout.mjs'
import { parse } from './results.mjs'

const SHIMS = fileURLToPath(new URL('shims/', import.meta.url))

// Beside the suite's own config, so that its relative paths and its `vitest` mean the same; with a dot, so that a test
// which lists its directory does not take it for a part of the suite.
const generated = (folder, name) => path.join(folder, `.suites-${name}`)

export async function runSuite(suite, folder, world) {
  const config = generated(folder, `${world}.config.mjs`)
  const report = generated(folder, `${world}.report.json`)
  for (const shim of Object.values(suite.alias)) await fs.copyFile(path.join(SHIMS, shim), generated(folder, shim))
  await fs.writeFile(config, configText(suite, folder, world))
  await fs.rm(report, { force: true })
  const args = ['run', '--config', config, '--reporter=json', '--outputFile', report]
  // What the caller's terminal and CI are like must not reach the suite.
  const { CI: _, FORCE_COLOR: __, ...env } = process.env
  const started = performance.now()
  const ended = await run(process.execPath, [...commandFor(suite, folder, world), ...args], {
    cwd: folder,
    env: { ...env, NO_COLOR: '1' },
  })
  const elapsed = performance.now() - started
  return {
    ...parse(await reportOf(report, ended), folder, ended),
    output: ended.output,
    elapsed,
    violations: await violationsIn(report, ended),
  }
}

const MANIFEST = './.suites-manifest.json'
export const manifestOf = (folder) => path.join(folder, MANIFEST)

function commandFor(suite, folder, world) {
  const cli = path.join(folder, 'node_modules/vitest-pool-seccomp/dist/cli/bin.js')
  const accept = suite.acceptDangerous === undefined ? [] : ['--accept-dangerous']
  if (world === 'recording') return [cli, 'record', '--fresh', ...accept, '--', 'vitest']
  if (world === 'run-recording') return [cli, 'run', '--manifest', MANIFEST, '--record', ...accept]
  if (world === 'run') return [cli, 'run', '--manifest', MANIFEST]
  return [path.join(folder, 'node_modules/vitest/vitest.mjs')]
}

async function violationsIn(report, { output }) {
  return (`${await fs.readFile(report, 'utf8')}${output}`.match(/SeccompViolation: |Refused to Vitest itself/g) ?? [])
    .length
}

async function reportOf(file, { code, signal, output }) {
  try {
    return JSON.parse(await fs.readFile(file, 'utf8'))
  } catch (cause) {
    throw new Error(`Vitest ended with ${signal ?? code} and no report:\n${output.slice(-4000)}`, { cause })
  }
}

function configText(suite, folder, world) {
  const { exclude, testNamePattern } = leavingOut(suite)
  const alias = Object.fromEntries(Object.entries(suite.alias).map(([name, shim]) => [name, generated(folder, shim)]))
  const test = { ...suite.test, watch: false, typecheck: { enabled: false }, coverage: { enabled: false } }
  return `${[
    `import { configDefaults, mergeConfig } from 'vitest/config'`,
    suite.config === undefined ? `const own = {}` : `import own from './${suite.config}'`,
    ...(ownPool(world) ? [] : [`import { seccomp } from 'vitest-pool-seccomp'`]),
    '',
    `const config = mergeConfig(own, { resolve: { alias: ${JSON.stringify(alias)} } })`,
    `config.test = { ...config.test, ...${JSON.stringify(test)} }`,
    `config.test.exclude = [...(config.test.exclude ?? configDefaults.exclude), ...${JSON.stringify(exclude)}]`,
    ...(testNamePattern === undefined ? [] : [`config.test.testNamePattern = ${JSON.stringify(testNamePattern)}`]),
    ownPool(world)
      ? `config.test.pool = 'forks'`
      : `config.plugins = [...(config.plugins ?? []), seccomp({ manifest: ${JSON.stringify(world === 'confined' ? suite.manifest : MANIFEST)} })]`,
    '',
    'export default config',
  ].join('\n')}\n`
}

// Behind `run` the config needs no line.
const ownPool = (world) => ['stock', 'run-recording', 'run'].includes(world)

// A key with ` > ` names a test, or with a star at its end all those that start alike; any other is a pattern of files.
function leavingOut(suite) {
  const keys = Object.keys(suite.leftOut)
  const names = keys.filter((key) => key.includes(' > ')).map((key) => namePattern(key.slice(key.indexOf(' > ') + 3)))
  return {
    exclude: keys.filter((key) => !key.includes(' > ')),
    testNamePattern: names.length === 0 ? undefined : `^(?!(?:${names.join('|')})$)`,
  }
}

const namePattern = (name) => (name.endsWith('*') ? `${escaped(name.slice(0, -1))}.*` : escaped(name))

const escaped = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
