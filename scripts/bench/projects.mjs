/** The suites that both pools run: made anew in a temporary directory, so that nothing of one run is in the next. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { project } from './confined.mjs'

const TRIVIAL = `import { expect, test } from 'vitest'\ntest('t', () => expect(1).toBe(1))\n`

function write(root, path, text) {
  mkdirSync(join(root, path, '..'), { recursive: true })
  writeFileSync(join(root, path), text)
}

function testFiles(root, count, text) {
  for (let file = 0; file < count; file++) write(root, `test/${file}.test.mjs`, text(file))
}

/** A package of so many modules, as a tree of seven branches, one folder above: the project's own node_modules is this repository's. */
function bigPackage(root, modules) {
  write(
    root,
    '../node_modules/big/package.json',
    JSON.stringify({ name: 'big', version: '1.0.0', type: 'module', exports: './m0.js' }),
  )
  for (let at = 0; at < modules; at++) {
    const children = [1, 2, 3, 4, 5, 6, 7].map((branch) => at * 7 + branch).filter((child) => child < modules)
    const imports = children.map((child) => `import { n as n${child} } from './m${child}.js'`)
    write(
      root,
      `../node_modules/big/m${at}.js`,
      [...imports, `export const n = ${['1', ...children.map((child) => `n${child}`)].join(' + ')}`, ''].join('\n'),
    )
  }
}

const MANY = `import { expect, test } from 'vitest'\nfor (let at = 0; at < 5000; at++) test(\`t\${at}\`, () => expect(at).toBe(at))\n`

const IMPORTS = `import { expect, test } from 'vitest'\nimport { n } from 'big'\ntest('t', () => expect(n).toBe(500))\n`

const FIXTURES = `import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
test('t', () => {
  for (let at = 0; at < 200; at++) expect(readFileSync(new URL(\`../fixtures/\${at}.txt\`, import.meta.url), 'utf8').length).toBe(1000)
})
`

const BUSY = `import { expect, test } from 'vitest'
test('t', () => {
  let sum = 0
  for (let at = 0; at < 1e8; at++) sum = (sum + at * 31) % 1000003
  expect(sum).toBeGreaterThan(0)
})
`

/** `make(root)` writes what the suite needs beside its config. */
export const SUITES = [
  { name: 'one trivial file', make: (root) => testFiles(root, 1, () => TRIVIAL) },
  { name: '100 trivial files', isLong: true, make: (root) => testFiles(root, 100, () => TRIVIAL) },
  {
    name: '100 trivial files, isolate: false',
    test: { isolate: false },
    make: (root) => testFiles(root, 100, () => TRIVIAL),
  },
  { name: 'a file of 5,000 tests', make: (root) => testFiles(root, 1, () => MANY) },
  {
    name: 'a file that imports 500 modules of node_modules',
    make(root) {
      bigPackage(root, 500)
      testFiles(root, 1, () => IMPORTS)
    },
  },
  {
    name: '200 files that read 200 fixtures each',
    isLong: true,
    manifest: { read: ['fixtures/'] },
    make(root) {
      for (let at = 0; at < 200; at++) write(root, `fixtures/${at}.txt`, 'x'.repeat(1000))
      testFiles(root, 200, () => FIXTURES)
    },
  },
  { name: 'a file that computes', make: (root) => testFiles(root, 1, () => BUSY) },
]

/** Both pools through one config, so that the same clocks are read in the same places. WORLD says which. */
export function makeProject(root, { make, test = {}, manifest = {} }) {
  mkdirSync(root)
  symlinkSync(join(project, 'node_modules'), join(root, 'node_modules'))
  write(root, 'package.json', '{ "type": "module" }')
  make(root)
  write(
    root,
    'vitest.config.mjs',
    `
import { writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
const stock = process.env.WORLD === 'stock'
const plugins = stock ? [] : [(await import('vitest-pool-seccomp')).seccomp({ manifest: ${JSON.stringify(manifest)} })]
process.on('exit', () => writeFileSync(process.env.FACTS, JSON.stringify({ parent: process.resourceUsage().maxRSS / 1024 })))
export default { plugins, test: { ...${JSON.stringify(test)}, ...(stock ? { pool: 'forks' } : {}), cache: false, watch: false, testTimeout: 600_000 } }
`,
  )
}
