/**
 * node scripts/vitest3.mjs: makes fixtures/vitest3 a project with Vitest 3 and this package as built, and prints the path of
 * its vitest.mjs. For VITEST_BIN of the end-to-end tests; node_modules beside it is what their projects import from.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const project = join(root, 'fixtures/vitest3')
const modules = join(project, 'node_modules')
const stamp = join(modules, '.installed.json')
const lock = readFileSync(join(project, 'package-lock.json'), 'utf8')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: project,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  writeFileSync(stamp, lock)
}

// Copies: tests may read what lies in node_modules, not what a link leads to elsewhere.
const manifestOf = (dir) => JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
function bring({ dependencies = {}, optionalDependencies = {} }) {
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const [from, to] = [join(root, 'node_modules', name), join(modules, name)]
    // What Vitest 3 brings itself may be another version; a build of koffi for another machine is not there.
    if (existsSync(to) || !existsSync(from)) continue
    cpSync(from, to, { recursive: true })
    bring(manifestOf(from))
  }
}
bring(manifestOf(root))

// By a link, Node would look for Vitest where the link leads. Moved into place whole.
const [fresh, old, place] = ['new', 'old']
  .map((name) => join(modules, `.pool-${name}-${process.pid}`))
  .concat(join(modules, 'vitest-pool-seccomp'))
mkdirSync(fresh)
for (const part of ['dist', 'package.json']) cpSync(join(root, part), join(fresh, part), { recursive: true })
if (existsSync(place)) renameSync(place, old)
renameSync(fresh, place)
rmSync(old, { recursive: true, force: true })
console.log(join(modules, 'vitest/vitest.mjs'))
