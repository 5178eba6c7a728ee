/**
 * node scripts/vitest3.mjs: makes fixtures/vitest3 a project with Vitest 3 and this package as built, and prints the path of
 * its vitest.mjs. For VITEST_BIN of the end-to-end tests; node_modules beside it is what their projects import from.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const project = join(root, 'fixtures/vitest3')
const modules = join(project, 'node_modules')
const stamp = join(modules, '.installed.json')
const lock = readFileSync(join(project, 'package-lock.json'), 'utf8')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: project, stdio: ['ignore', 'ignore', 'inherit'] })
  writeFileSync(stamp, lock)
}

const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
for (const name of Object.keys(dependencies)) {
  // What Vitest 3 brings itself may be another version.
  if (!existsSync(join(modules, name))) symlinkSync(join(root, 'node_modules', name), join(modules, name))
}

// A copy: by a link, Node would look for Vitest where the link leads. Moved into place whole.
const [fresh, old, place] = ['new', 'old'].map((name) => join(modules, `.pool-${name}-${process.pid}`)).concat(join(modules, 'vitest-pool-seccomp'))
mkdirSync(fresh)
for (const part of ['dist', 'package.json']) cpSync(join(root, part), join(fresh, part), { recursive: true })
if (existsSync(place)) renameSync(place, old)
renameSync(fresh, place)
rmSync(old, { recursive: true, force: true })
console.log(join(modules, 'vitest/vitest.mjs'))
