/** Lays a cell's project out, and installs it as a user would. */
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must, pnpmOf } from './tools.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const fixtures = join(repository, 'fixtures')
const { koffi } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')).devDependencies

const PLACES = {
  plain: 'project',
  symlink: 'project',
  'odd name': 'ein Projekt für Ωmega & Co',
  'odd symlink': 'ein Projekt für Ωmega & Co',
}

export const OPTIONS = ({ expect, sockets }) => ({
  manifest: {
    read: ['test/fixtures/'],
    write: ['<tmp>/', 'scratch/'],
    exec: ['node'],
    listen: ['tcp:127.0.0.1:0'],
  },
  ...(expect === 'unconfined' ? { onUnsupported: 'warn' } : {}),
  ...(sockets === 'left alone' ? { unsafe: ['network'] } : {}),
})

function configText(cell, { stock }) {
  const { vitest, config } = cell
  const own = stock ? '' : `plugins: [seccomp(${JSON.stringify(OPTIONS(cell))})],`
  const three = stock
    ? ''
    : `test: { pool: 'vitest-pool-seccomp/vitest3', poolOptions: { seccomp: ${JSON.stringify(OPTIONS(cell))} } },`
  const [name, from] = ['seccomp', 'vitest-pool-seccomp']
  const needed = !stock && !vitest.startsWith('3')
  const body = `defineConfig({ ${vitest.startsWith('3') ? three : own} ${stock ? "test: { pool: 'forks' }," : ''} })`
  return config === 'cjs'
    ? `const { defineConfig } = require('vitest/config')\n${needed ? `const { ${name} } = require('${from}')\n` : ''}module.exports = ${body}\n`
    : `import { defineConfig } from 'vitest/config'\n${needed ? `import { ${name} } from '${from}'\n` : ''}export default ${body}\n`
}

function packageText(name, { type, vitest, layout }, tarball) {
  return JSON.stringify(
    {
      name,
      private: true,
      version: '1.0.0',
      type,
      devDependencies: {
        vitest: `~${vitest}.0`,
        ...(vitest.startsWith('5') ? { vite: '^8' } : {}),
        koffi,
        'vitest-pool-seccomp': `file:${tarball}`,
      },
      ...(layout === 'root' ? { workspaces: ['packages/*'] } : {}),
    },
    null,
    2,
  )
}

/** The test project itself: sources and tests of the fixture, and a config for each world. */
function layPackage(dir, name, cell, tarball) {
  cpSync(join(fixtures, 'projects/matrix'), dir, { recursive: true })
  mkdirSync(join(dir, 'scratch'), { recursive: true })
  if (!cell.list) rmSync(join(dir, 'test/transparency.test.js'))
  writeFileSync(join(dir, 'package.json'), packageText(name, cell, tarball))
  if (cell.layout !== 'projects') layConfigs(dir, cell)
}

function layConfigs(dir, cell) {
  writeFileSync(join(dir, `vitest.config.${cell.config}`), configText(cell, { stock: false }))
  writeFileSync(join(dir, `vitest.stock.config.${cell.config}`), configText(cell, { stock: true }))
}

/** In a monorepo with `projects`, the packages have their own config and the root says which. */
function layProjects(root, cell) {
  for (const name of ['one', 'two']) {
    const dir = join(root, 'packages', name)
    layPackage(dir, name, cell, cell.tarball)
    layConfigs(dir, cell)
  }
  for (const world of ['vitest', 'vitest.stock']) {
    writeFileSync(
      join(root, `${world}.config.mjs`),
      `export default { test: { projects: ['packages/*/${world}.config.${cell.config}'] } }\n`,
    )
  }
}

/** `base`: what the cells share; `dir`: the cell's own. Returns where the run starts, the packages in it, and the root of it all. */
export async function layOut(base, dir, cell, { tarball, node }) {
  rmSync(dir, { recursive: true, force: true })
  const root = join(dir, PLACES[cell.place])
  mkdirSync(root, { recursive: true })
  chmodSync(dir, 0o755)
  const known = { ...cell, tarball }
  const many = cell.layout !== 'plain'
  const packages = !many ? [root] : ['one', 'two'].map((name) => join(root, 'packages', name))
  if (!many) layPackage(root, 'matrix-cell', known, tarball)
  else {
    if (cell.layout === 'projects') layProjects(root, known)
    else for (const path of packages) layPackage(path, path.split('/').at(-1), known, tarball)
    writeFileSync(
      join(root, 'package.json'),
      packageText('matrix-root', { ...known, layout: cell.manager === 'npm' ? 'root' : 'plain' }, tarball),
    )
    if (cell.manager === 'pnpm') writeFileSync(join(root, 'pnpm-workspace.yaml'), 'packages:\n  - packages/*\n')
  }
  await install(base, root, cell, node)
  for (const path of cell.list ? packages : []) {
    cpSync(join(fixtures, 'targets/transparency'), join(path, 'node_modules/transparency-list'), { recursive: true })
    writeFileSync(
      join(path, 'node_modules/transparency-list/package.json'),
      '{ "name": "transparency-list", "type": "module", "exports": { "./*": "./*" } }',
    )
  }
  const start = cell.layout === 'workspace' ? packages[0] : root
  if (!cell.place.endsWith('symlink')) return { start, packages: cell.layout === 'workspace' ? [start] : packages }
  const link = join(dir, 'link')
  symlinkSync(root, link)
  return { start: link, packages }
}

async function install(base, root, { manager }, node) {
  const env = { ...process.env, PATH: `${node}:${process.env.PATH}`, CI: '1' }
  if (manager === 'npm') return must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root })
  const args = ['install', '--ignore-scripts', '--store-dir', join(base, 'pnpm-store')]
  return must(process.execPath, [await pnpmOf(base), ...args], { cwd: root, env })
}
