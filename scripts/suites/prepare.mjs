// node scripts/suites/prepare.mjs --dir <checkouts> [--mirrors <git directories>] [--vitest <version>] [name…]
//
// Checks suites out and installs what their tests import. With --mirrors, the code comes from <owner>+<name>/repo
// there, else from the repository itself. A checkout that is already there is thrown away.
import fs from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { folderOf, mustRun, rootOf } from './checkout.mjs'
import { chosen } from './suites.mjs'

const { values, positionals } = parseArgs({
  options: { dir: { type: 'string' }, mirrors: { type: 'string' }, vitest: { type: 'string' } },
  allowPositionals: true,
})
if (values.dir === undefined) throw new Error('--dir says where the checkouts go')
const dir = path.resolve(values.dir)

for (const suite of chosen(positionals)) {
  await checkOut(suite)
  await install(suite)
  process.stdout.write(`${suite.name}: ready\n`)
}

async function checkOut(suite) {
  const root = rootOf(dir, suite)
  const { url, commit } = suite.source
  await fs.rm(root, { recursive: true, force: true })
  await fs.mkdir(root, { recursive: true })
  const from = values.mirrors === undefined ? url : mirrorOf(url)
  await mustRun('git', ['init', '--quiet'], { cwd: root })
  await mustRun('git', ['fetch', '--quiet', '--depth=1', from, commit], { cwd: root })
  await mustRun('git', ['checkout', '--quiet', 'FETCH_HEAD'], { cwd: root })
}

function mirrorOf(url) {
  const [owner, name] = new URL(url).pathname
    .replace(/\.git$/, '')
    .split('/')
    .slice(1)
  return path.resolve(values.mirrors, `${owner}+${name}`, 'repo')
}

async function install(suite) {
  const folder = folderOf(dir, suite)
  const file = path.join(folder, 'package.json')
  const own = JSON.parse(await fs.readFile(file, 'utf8'))
  // Another package manager's pins and settings would only confuse npm.
  const { packageManager: _, pnpm: __, resolutions: ___, ...kept } = own
  await fs.writeFile(
    file,
    `${JSON.stringify({ ...kept, devDependencies: { ...suite.packages, ...(values.vitest === undefined ? {} : { vitest: values.vitest }) } }, null, 2)}\n`,
  )
  await fs.rm(path.join(folder, 'package-lock.json'), { force: true })
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--legacy-peer-deps']
  await mustRun('npm', ['install', ...flags], { cwd: folder })
}
