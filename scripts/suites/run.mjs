// node scripts/suites/run.mjs --dir <checkouts> [--tarball <package>] [--repeat <times>] [name…]
//
// Runs suites under Vitest's own forks pool and, given our package as a tarball, confined as well, and compares the two
// test by test. Without a tarball it only records the stock results, --repeat times, and names what is not the same in
// all of them. The checkouts come from prepare.mjs. Results are left in <checkouts>/<name>.stock.txt and .confined.txt.
import fs from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { folderOf, mustRun } from './checkout.mjs'
import { runSuite } from './run-suite.mjs'
import { compare, counts, difference, lines } from './results.mjs'
import { chosen } from './suites.mjs'

const { values, positionals } = parseArgs({
  options: { dir: { type: 'string' }, tarball: { type: 'string' }, repeat: { type: 'string', default: '1' } },
  allowPositionals: true,
})
if (values.dir === undefined) throw new Error('--dir says where the checkouts are')
const dir = path.resolve(values.dir)
async function examine(suite) {
  const folder = folderOf(dir, suite)
  const stock = []
  for (let round = 0; round < Number(values.repeat); round += 1) stock.push(await runSuite(suite, folder, 'stock'))
  const [first, ...others] = stock
  await record(suite, first, 'stock')
  const unstable = new Set(others.flatMap((other) => difference(first, other).map(({ test }) => test)))
  for (const test of unstable) process.stdout.write(`${suite.name}: not the same in each stock run: ${test}\n`)
  const row = { suite: suite.name, ...counts(first), unstable: unstable.size, stock: seconds(first) }
  if (values.tarball === undefined) return { ...row, confined: '-', different: 0 }
  const confined = await runConfined(suite, folder)
  const different = difference(first, confined).filter(({ test }) => !unstable.has(test))
  process.stdout.write(compare(suite.name, different))
  return { ...row, confined: seconds(confined), different: different.length }
}

async function runConfined(suite, folder) {
  // A tarball that was packed anew has the same version as before, and npm would keep the old one.
  await fs.rm(path.join(folder, 'node_modules/vitest-pool-seccomp'), { recursive: true, force: true })
  const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--legacy-peer-deps']
  await mustRun('npm', ['install', ...flags, path.resolve(values.tarball)], { cwd: folder })
  const confined = await runSuite(suite, folder, 'confined')
  await record(suite, confined, 'confined')
  return confined
}

const record = (suite, results, world) =>
  fs.writeFile(path.join(dir, `${suite.name}.${world}.txt`), `${lines(results).join('\n')}\n`)

const seconds = ({ elapsed }) => `${(elapsed / 1000).toFixed(1)} s`

function table(entries) {
  const header = Object.keys(entries[0])
  const cells = [header, ...entries.map((row) => header.map((key) => String(row[key])))]
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const rows = []

for (const suite of chosen(positionals)) rows.push(await examine(suite))
process.stdout.write(`${table(rows)}\n`)
process.exitCode = rows.every((row) => row.different === 0) ? 0 : 1
