/** What runs in a cell of two versions besides its own project: the demo, the escape corpus and real suites, on its Vitest and Node. */
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FINE } from '../escapes/table.mjs'
import { must, run } from './tools.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const script = (name) => join(repository, 'scripts', name)
const json = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined)

export const SUITES = ['pathe', 'pkg-types']
/** Of the time that races ask for; `npm run escapes` gives them all of it. */
export const RACE_SHARE = 0.25

/** Each part returns `wrong`, a line for each thing that is not as it should be, and numbers; `log` takes what was printed. */
export async function parts({ dir, start, node, bothWorlds, tarball, mirrors, env, log }) {
  const vitest = realpathSync(join(start, 'node_modules/vitest/vitest.mjs'))
  const version = json(join(dirname(vitest), 'package.json')).version
  const cell = { dir, start, node: join(node, 'node'), bothWorlds, vitest, version, tarball, mirrors, env, log }
  const all = { demo: await demo(cell), escapes: await escapes(cell), inVitest: await inVitest(cell) }
  for (const name of SUITES) all[name] = await suite(cell, name)
  return all
}

/** One test file passes, and the one that snoops and hides it fails: if there is anything to find. */
async function demo({ dir, start, node, vitest, env, log }) {
  const root = join(dir, 'demo')
  cpSync(join(repository, 'fixtures/projects/demo'), root, { recursive: true })
  symlinkSync(join(start, 'node_modules'), join(root, 'node_modules'))
  const report = join(dir, 'demo.json')
  writeFileSync(join(env.HOME, '.npmrc'), '')
  const { code, output } = await run(
    node,
    [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    { cwd: root, env },
  )
  log('demo', output)
  const results = json(report)?.testResults ?? []
  const said = Object.fromEntries(
    results.map(({ name, assertionResults }) => [
      /(\w+)\.test/.exec(name)[1],
      assertionResults.map(({ status }) => status).join(),
    ]),
  )
  const expected = { order: 'passed,passed', snoop: 'failed' }
  const wrong = Object.entries(expected)
    .filter(([name, status]) => said[name] !== status)
    .map(([name, status]) => `${name}: ${said[name]} instead of ${status}`)
  if (code !== 1) wrong.push(`Vitest ended with ${code}`)
  if (!output.includes('SeccompViolation')) wrong.push('no violation was reported')
  return { wrong }
}

/** The programs that need no Vitest around them, in its workers. */
const escapes = (cell) => corpus(cell, 'escapes/in-vitest.mjs', ['--race-share', String(RACE_SHARE)])
/** Those that do. `bothWorlds`: in Vitest's own pool, too, where they must get out. */
const inVitest = (cell) => corpus(cell, 'escapes/vitest.mjs', cell.bothWorlds ? [] : ['--confined-only'])

async function corpus({ dir, node, vitest, log }, name, more) {
  const file = join(dir, 'escapes.json')
  const { code, output } = await run(
    process.execPath,
    [script(name), '--vitest', vitest, '--node', node, '--json', file, ...more],
    { cwd: repository, seconds: 900 },
  )
  log(name, output)
  const results = json(file) ?? []
  const wrong = results.filter(({ verdict }) => !FINE.has(verdict)).map((result) => `${result.verdict}: ${result.name}`)
  if (code !== 0 && wrong.length === 0) wrong.push(`${name} ended with ${code}`)
  const count = (is) => results.filter(is).length
  return {
    wrong,
    programs: results.length,
    notPromised: count(({ verdict }) => verdict === 'not promised'),
    unconfined: count(({ unconfined }) => unconfined?.escaped === true),
  }
}

/** A real suite in the stock pool and confined, test by test. `cannot`: why it does not run in the stock pool. */
async function suite({ dir, node, version, tarball, mirrors, log }, name) {
  const checkouts = join(dir, 'suites')
  mkdirSync(checkouts, { recursive: true })
  const from = mirrors === undefined ? [] : ['--mirrors', mirrors]
  await must(process.execPath, [script('suites/prepare.mjs'), '--dir', checkouts, ...from, '--vitest', version, name], {
    cwd: repository,
  })
  const file = join(checkouts, `${name}.json`)
  const { code, output } = await run(
    node,
    [script('suites/run.mjs'), '--dir', checkouts, '--tarball', tarball, '--json', file, name],
    { cwd: repository },
  )
  log(name, output)
  const [row] = json(file) ?? []
  if (row === undefined) {
    const isStock = !existsSync(join(checkouts, `${name}.stock.txt`))
    const last =
      output
        .trim()
        .split('\n')
        .find((line) => line.includes('Error')) ?? `ended with ${code}`
    return isStock ? { wrong: [], cannot: last } : { wrong: [`${name} ended with ${code}: ${last}`] }
  }
  const wrong = output.split('\n').filter((line) => line.startsWith(`${name}: `))
  if (row.different > 0 && wrong.length === 0) wrong.push(`${row.different} tests differ`)
  return { wrong, tests: row.tests, passed: row.passed }
}
