/**
 * node scripts/newest.mjs [--tag latest] [--node latest] [--quick] [--dir <dir>]
 *
 * Runs the package as built with the Vitest and the Node that npm has under these tags today: a run of the demo, the end-to-end
 * tests and the gate's, and the escape programs that need a Vitest around them. Ends with 1 where any fails, or where that Vitest is not
 * among the versions that are tested. For a job that runs every night: CONTRIBUTING.md. --quick: the demo alone.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { run, tarballOf } from './matrix/tools.mjs'

const repository = dirname(dirname(fileURLToPath(import.meta.url)))
const { values: options } = parseArgs({
  options: {
    tag: { type: 'string', default: 'latest' },
    node: { type: 'string', default: 'latest' },
    quick: { type: 'boolean', default: false },
    dir: { type: 'string' },
  },
})
const base = resolve(options.dir ?? join(realpathSync(tmpdir()), 'vitest-pool-seccomp-newest'))
rmSync(base, { recursive: true, force: true })
const project = join(base, 'project')
mkdirSync(project, { recursive: true })
writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }')
const nodePackage = `node-linux-${process.arch}`
const install = (...packages) =>
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { cwd: project, seconds: 600 })
const installed = await install(
  `vitest@${options.tag}`,
  `${nodePackage}@${options.node}`,
  // What the tests' projects import besides.
  'jsdom',
  'happy-dom',
  'koffi',
  'vite',
  await tarballOf(base, repository),
)
if (installed.code !== 0) throw new Error(installed.output)
const coverage = await install(`@vitest/coverage-v8@${options.tag}`)
if (coverage.code !== 0)
  process.stdout.write(
    `@vitest/coverage-v8 cannot be installed, and its tests fail: ${coverage.output.trim().split('\n')[1]}\n`,
  )
const modules = join(project, 'node_modules')
const versionOf = (name) => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version
const [vitest, node] = [join(modules, 'vitest/vitest.mjs'), join(modules, nodePackage, 'bin/node')]
const version = versionOf('vitest')
const { TESTED } = await import(pathToFileURL(join(repository, 'dist/vitest/versions/index.js')).href)
const isTested = TESTED.includes(version.split('.').slice(0, 2).join('.'))
process.stdout.write(
  `Vitest ${version} (${isTested ? '' : 'NOT '}among ${TESTED.join(', ')}), Node ${versionOf(nodePackage)}\n`,
)

/** One file passes, and the one that snoops fails. */
async function demo() {
  const root = join(base, 'demo')
  cpSync(join(repository, 'fixtures/projects/demo'), join(root, 'demo'), { recursive: true })
  cpSync(modules, join(root, 'node_modules'), { recursive: true, verbatimSymlinks: true })
  const { code, output } = await run(node, [vitest, 'run'], {
    cwd: join(root, 'demo'),
    env: { ...process.env, NO_COLOR: '1' },
  })
  const isRight = code === 1 && output.includes('SeccompViolation') && /Test Files {2}1 failed \| 1 passed/.test(output)
  if (!isRight) process.stdout.write(`${output}\n`)
  return isRight
}

const env = { ...process.env, VITEST_BIN: vitest, NODE_BIN: node }
const passes = (args) => spawnSync(process.execPath, args, { cwd: repository, env, stdio: 'inherit' }).status === 0
const own = join(repository, 'node_modules/vitest/vitest.mjs')
const parts = {
  'the demo': demo,
  ...(options.quick
    ? {}
    : {
        'end-to-end tests': () => passes([own, 'run', 'test/e2e', 'test/vitest/gate']),
        'escape programs': () =>
          passes(['scripts/escapes/vitest.mjs', '--vitest', vitest, '--node', node, '--confined-only']),
      }),
}
let isWrong = !isTested
for (const [name, passed] of Object.entries(parts)) {
  const isRight = await passed()
  process.stdout.write(`${isRight ? 'passed' : 'FAILED'}: ${name}\n`)
  isWrong ||= !isRight
}
process.exit(isWrong ? 1 : 0)
