/** With a module table in front of Node's binding, fs and the loaders answer what they answer without: errors and stacks, too. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const script = resolve(import.meta.dirname, '../../fixtures/targets/modules/calls.mjs')
const node = process.env.NODE_BIN ?? process.execPath
let root = ''

function write(path: string, text: string | Uint8Array): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

function link(path: string, to: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  symlinkSync(to, join(root, path))
}

/** In two pieces: Vitest would take it for this file's own. */
const NAMES_A_MAP = ['//# sourceMapping', 'URL'].join('')
/** CommonJS modules. What `told` returns is compared as well. */
const COMMON = {
  // All that a module is given, and what it is called in.
  around: `exports.told = ((...all) => () => all.join())(
    arguments.length, this === exports, typeof arguments.callee, arguments.callee.name,
    Object.getOwnPropertyNames(arguments.callee), arguments.callee.toString().length,
    require.toString(), Object.keys(require), require.main, require.cache[__filename] === module, require.resolve('two'),
    require.resolve.paths('x'), module.id, module.loaded, module.parent?.id, module.paths, Object.keys(module),
    __filename, __dirname, new Error('in it').stack)`,
  'throws-below': `exports.started = 1
function below() { throw new RangeError('below') }

  below()`,
  'requires-throws': `require('./throws-below')`,
  'requires-missing': `
    require('./nothing-here')`,
  'requires-broken': `require('../broken/syntax.js')`,
  imports: `exports.told = async () => Object.keys(await import('../esm/index.js')).join() +
    await import('./nothing').catch((error) => error.stack)`,
  'circle-a': `exports.told = () => [exports.early, exports.b].join(); exports.early = 1; exports.b = require('./circle-b').seen`,
  'circle-b': `exports.seen = Object.keys(require('./circle-a')).join()`,
  // An import of a module that is running.
  'circle-esm': `exports.told = () => exports.found
try { require('./circle-esm-part.mjs') } catch (error) { exports.found = error.stack }`,
  sites: `exports.told = () => sites
const before = Error.prepareStackTrace
Error.prepareStackTrace = (_, all) => all
const sites = new Error().stack.map((site) => [site.getFileName(), site.getTypeName(),
  site.getLineNumber(), site.getColumnNumber(), site.isToplevel(), site.isConstructor(), String(site)]).join('\\n')
Error.prepareStackTrace = before`,
  later: `exports.told = async () => { await null; return new Error('later').stack }`,
  returns: `return void (exports.told = () => 'returned')`,
  'is-esm': 'export const told = () => new Error("esm").stack',
  'with-await': 'const x = await 1; export const told = () => x',
  large: `exports.told = () => [lazy(), lazy.toString()].join()
${'/* filler */\n'.repeat(500)}function lazy() { return new Error('in a function that is compiled late').stack }`,
  wide: `exports.told = () => 'é 漢 😀' + new Error().stack`,
  hashbang: `#!/usr/bin/env node
exports.told = () => new Error('below a hashbang').stack`,
  strict: `'use strict'; exports.told = ((self) => () => String(self))(this === exports); try { undeclared = 1 } catch (e) { exports.e = e.stack }`,
  mapped: `exports.told = () => new Error('with a map').stack
${NAMES_A_MAP}=data:application/json;base64,e30=`,
}

/** As npm, and as pnpm would have it, with everything in it that a table could get wrong. */
beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'module-calls-')))
  write('package.json', '{ "name": "self", "imports": { "#in": "./in.js" }, "exports": "./in.js" }')
  write('in.js', 'module.exports = { in: 1 }')
  write('node_modules/one/package.json', '{ "name": "one", "main": "lib" }')
  write('node_modules/one/lib/index.js', 'exports.a = require("two"); exports.b = require("./sub")')
  write('node_modules/one/lib/sub/index.json', '{ "sub": true }')
  write('node_modules/one/data.json', '\uFEFF{ "bom": true }')
  write('node_modules/one/bom.js', '\uFEFFexports.bom = 1')
  write('node_modules/one/utf8.js', 'exports.text = "é 漢 😀"')
  write('node_modules/one/latin1.js', Buffer.from('exports.text = "\xe9\xff"', 'latin1'))
  write('node_modules/one/empty.js', '')
  write('node_modules/one/large.js', `exports.large = ${JSON.stringify('x'.repeat(200_000))}`)
  write('node_modules/broken/package.json', '{ "main": "nowhere.js" }')
  write('node_modules/broken/syntax.js', 'exports.x = {')
  write('node_modules/broken/throws.js', 'throw new TypeError("on purpose")')
  write('node_modules/bad/package.json', '{ not json')
  write(
    'node_modules/esm/package.json',
    '{ "type": "module", "exports": { ".": "./index.js", "./deep": "./deep/index.js" } }',
  )
  write('node_modules/esm/index.js', 'export { d } from "./deep/index.js"\nexport const e = import.meta.url')
  write('node_modules/esm/deep/index.js', 'export const d = 1')
  write('node_modules/esm/bad.js', 'export const x = (')
  write('node_modules/esm/missing.js', 'import "./none.js"')
  write('node_modules/@scope/pkg/index.mjs', 'export default 1')
  write('node_modules/@scope/pkg/package.json', '{ "exports": "./index.mjs" }')
  write('node_modules/.pnpm/two@1.0.0/node_modules/two/package.json', '{ "name": "two", "main": "./two.js" }')
  write('node_modules/.pnpm/two@1.0.0/node_modules/two/two.js', 'exports.three = require("three")')
  write('node_modules/.pnpm/three@1.0.0/node_modules/three/index.js', 'module.exports = __filename')
  link('node_modules/.pnpm/two@1.0.0/node_modules/three', '../../three@1.0.0/node_modules/three')
  link('node_modules/two', '.pnpm/two@1.0.0/node_modules/two')
  link('node_modules/chain', 'two')
  link('node_modules/.bin/two', '../two/two.js')
  link('node_modules/circle', 'circle')
  link('node_modules/left', 'right')
  link('node_modules/right', 'left')
  link('node_modules/dangling', 'nowhere/at/all')
  link('node_modules/outside', '../linked')
  link('node_modules/behind', 'chain/../three')
  link('node_modules/slash', 'one/lib/')
  link('node_modules/fileslash', 'one/data.json/')
  for (const [name, text] of Object.entries(COMMON)) write(`node_modules/common/${name}.js`, text)
  write('node_modules/common/circle-esm-part.mjs', 'import cjs from "./circle-esm.js"; export default cjs')
  write('linked/index.js', 'module.exports = "linked"')
  write('node_modules/.cache/x.js', 'exports.cached = 1')
  write('node_modules/with space/index.js', 'exports.space = 1')
  write('node_modules/é/index.js', 'exports.accent = 1')
})

afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Printed {
  readonly lines: readonly string[]
  /** What the table answered. */
  readonly counts: Readonly<Record<string, number>>
  readonly stderr: string
}

function printed(
  world: 'kernel' | 'table',
  seed: number,
  traced: 'traced' | 'untraced',
  options: readonly string[] = [],
): Printed {
  const { status, stdout, stderr, output } = spawnSync(
    node,
    ['--experimental-import-meta-resolve', ...options, script, root, world, String(seed), traced],
    { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
  )
  expect(status, stderr).toBe(0)
  return { lines: stdout.split('\n'), counts: world === 'table' ? JSON.parse(output[3] ?? '') : {}, stderr }
}

describe('2,000 calls', () => {
  test.each([
    [1, 'untraced', []],
    [2, 'untraced', []],
    [3, 'traced', []],
    [4, 'untraced', ['--preserve-symlinks']],
    [5, 'untraced', ['--preserve-symlinks', '--preserve-symlinks-main']],
  ] as const)('seed %i, %s, %j', (seed, traced, options) => {
    const kernel = printed('kernel', seed, traced, options)
    const table = printed('table', seed, traced, options)
    expect(kernel.lines.length).toBeGreaterThan(2000)
    expect(table.lines).toEqual(kernel.lines)
    // Comparing nothing with nothing would show nothing.
    expect(table.counts).toMatchObject({ kindOf: expect.any(Number), lstat: expect.any(Number) })
    expect(Math.min(...Object.values(table.counts)), JSON.stringify(table.counts)).toBeGreaterThan(20)
    expect(table.stderr.replace(/\(node:\d+\)/g, '')).toBe(kernel.stderr.replace(/\(node:\d+\)/g, ''))
  })
})

test.each(['--pending-deprecation', '--pending_deprecation'])(
  'where Node would warn of whoever asks for its binding, nobody does: %s',
  (option) => {
    const { counts, stderr } = printed('table', 1, 'traced', [option])
    expect(Math.max(...Object.values(counts))).toBe(0)
    expect(stderr).not.toContain('DEP0111')
  },
)
