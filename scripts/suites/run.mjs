// node scripts/suites/run.mjs --dir <checkouts> [--tarball <package> | --installed] [--record] [--repeat <times>]
//   [--json <file>] [name…]
//
// Runs suites under Vitest's own forks pool and, given our package as a tarball, confined as well, and compares the two
// test by test. Without a tarball it only records the stock results, --repeat times, and names what is not the same in
// all of them. With --record the manifest is not the one that suites.mjs has, but what `vitest-seccomp record` makes of the
// suite; it is left in <checkouts>/<name>.manifest.json, and recording a second time must add nothing. Then Vitest itself runs
// confined: `run --record` writes its part of the manifest, and `run` has to do with it. The checkouts come from prepare.mjs. Results are left in <checkouts>/<name>.stock.txt and .confined.txt, and with --json the table in a file.
import fs from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { folderOf, mustRun } from './checkout.mjs'
import { compare, counts, difference, lines } from './results.mjs'
import { manifestOf, runSuite } from './run-suite.mjs'
import { chosen } from './suites.mjs'

const { values, positionals } = parseArgs({
  options: {
    dir: { type: 'string' },
    tarball: { type: 'string' },
    installed: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    repeat: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
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
  if (values.tarball === undefined && !values.installed) return { ...row, confined: '-', different: 0 }
  if (!values.installed) await installPackage(folder)
  if (values.record) return { ...row, ...(await examineRecording(suite, folder, first, unstable)) }
  const confined = await runSuite(suite, folder, 'confined')
  await record(suite, confined, 'confined')
  return { ...row, confined: seconds(confined), different: told(suite, first, confined, unstable) }
}

async function examineRecording(suite, folder, first, unstable) {
  await fs.rm(manifestOf(folder), { force: true })
  const recording = await runSuite(suite, folder, 'recording')
  const made = await fs.readFile(manifestOf(folder), 'utf8')
  await fs.writeFile(path.join(dir, `${suite.name}.manifest.json`), made)
  const confined = await runSuite(suite, folder, 'recorded')
  await record(suite, confined, 'recorded')
  await runSuite(suite, folder, 'recording')
  const isStable = (await fs.readFile(manifestOf(folder), 'utf8')) === made
  const others = []
  for (const world of ['run-recording', 'run']) others.push(await runSuite(suite, folder, world))
  const [, behind] = others
  const runner = JSON.parse(await fs.readFile(manifestOf(folder), 'utf8')).runner ?? {}
  await fs.writeFile(path.join(dir, `${suite.name}.runner.json`), `${JSON.stringify(runner, null, 2)}\n`)
  return {
    recording: seconds(recording),
    confined: seconds(confined),
    behind: seconds(behind),
    entries: [...made.matchAll(/^ {6,}(?:"|\{ "entry")/gm)].length,
    used: /^Of \d+ files? .* were used \((\d+ %)\)/m.exec(recording.output)?.[1] ?? '-',
    stable: isStable ? 'yes' : 'NO',
    violations: confined.violations + behind.violations,
    different:
      [recording, confined, ...others].reduce((sum, one) => sum + told(suite, first, one, unstable), 0) +
      confined.violations +
      behind.violations +
      (isStable ? 0 : 1),
  }
}

function told(suite, first, other, unstable) {
  const different = difference(first, other).filter(({ test }) => !unstable.has(test))
  process.stdout.write(compare(suite.name, different))
  return different.length
}

async function installPackage(folder) {
  // A tarball that was packed anew has the same version as before, and npm would keep the old one.
  await fs.rm(path.join(folder, 'node_modules/vitest-pool-seccomp'), { recursive: true, force: true })
  const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--legacy-peer-deps']
  await mustRun('npm', ['install', ...flags, path.resolve(values.tarball)], { cwd: folder })
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
if (values.json !== undefined) await fs.writeFile(values.json, JSON.stringify(rows))
process.exitCode = rows.every((row) => row.different === 0) ? 0 : 1
