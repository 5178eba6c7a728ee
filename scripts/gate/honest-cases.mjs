/**
 * Projects that mean no harm, one for each thing that people have beside plain tests. A case: `needs` (packages), `from` (the first Vitest that has it), `files` (by path,
 * from the directory that holds the project), `test` and `plugins` of the config (text), `args`, and `tells` (what else has to be the same, of the root when the run is over).
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const pageOf = (text) => `// @vitest-environment jsdom\n${text}`
const json = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : `no ${path}`)

/** Numbers of a report of coverage, by file. */
const covered = (root) => {
  const summary = json(join(root, 'coverage/coverage-summary.json'))
  if (typeof summary === 'string') return summary
  return Object.entries(summary)
    .map(([file, { lines, statements, branches, functions }]) => [
      file.replace(`${root}/`, ''),
      ...[lines, statements, branches, functions].map(({ pct }) => pct),
    ])
    .sort()
}

const worker = (provider) => ({
  needs: [`@vitest/coverage-${provider}`, '@vitest/web-worker'],
  files: {
    'project/src/work.ts': `import { double } from './double'
self.onmessage = ({ data }) => {
  if (data < 0) self.postMessage('never')
  else self.postMessage(double(data))
}`,
    'project/src/double.ts': 'export function double(n: number) { return n > 100 ? 0 : n * 2 }\n',
    'project/test/worker.test.ts': `import '@vitest/web-worker'
import { expect, test } from 'vitest'
import Work from '../src/work?worker'
const answerOf = (worker: Worker) => new Promise((resolve, reject) => {
  worker.onmessage = ({ data }) => resolve(data)
  worker.onerror = reject
  worker.postMessage(4)
})
test('?worker', async () => expect(await answerOf(new Work())).toBe(8))
test('new Worker(new URL())', async () => {
  expect(await answerOf(new Worker(new URL('../src/work.ts', import.meta.url)))).toBe(8)
})`,
  },
  test: `coverage: { enabled: true, provider: '${provider}', include: ['src/**'], reporter: ['json-summary'] }`,
  tells: covered,
})

export const CASES = {
  require: {
    files: {
      'project/src/own.cjs': "exports.own = require('./deeper/more').more + require('./old/old').old\n",
      'project/src/deeper/more.js': 'module.exports = { more: 1 }\n',
      'project/src/deeper/package.json': '{ "type": "commonjs" }',
      'project/src/old/old/package.json': '{ "main": "./main.cjs" }',
      'project/src/old/old/main.cjs': 'exports.old = 1\n',
      'project/test/require.test.ts': `import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import own from '../src/own.cjs'
const require = createRequire(import.meta.url)
test('import', () => expect(own.own).toBe(2))
test('require', () => expect(require('../src/own.cjs').own).toBe(2))
test('resolve', () => expect(require.resolve('../src/deeper/more')).toMatch(/more\\.js$/))
test('not there', () => expect(() => require('../src/none')).toThrow(/Cannot find module/))
test('by Node itself', async () => {
  const address = pathToFileURL(require.resolve('../src/own.cjs')).href
  expect((await import(/* @vite-ignore */ address)).default.own).toBe(2)
})`,
    },
  },
  'setup outside': {
    files: {
      'shared/setup.ts': "import { ready } from './lib/ready'\nimport './lib/late'\nglobalThis.ready = ready\n",
      'shared/lib/ready.ts': "import { deep } from './deep'\nexport const ready = deep\n",
      'shared/lib/deep.mts': 'export const deep = true\n',
      'shared/lib/late.ts': "void import('./last').then(({ last }) => { globalThis.last = last })\n",
      'shared/lib/last/index.ts': 'export const last = true\n',
      'project/test/setup.test.ts': `import { expect, test, vi } from 'vitest'
test('ready', async () => {
  expect(globalThis.ready).toBe(true)
  await vi.waitFor(() => expect(globalThis.last).toBe(true))
})`,
    },
    // Else Vite 6.4 denies it, under Vitest 3.
    config: 'server: { fs: { strict: false } }',
    test: "setupFiles: ['../shared/setup.ts']",
  },
  'linked packages': {
    files: {
      'project/pnpm-workspace.yaml': 'packages: [packages/*]\n',
      'project/packages/b/package.json':
        '{ "name": "@own/b", "type": "module", "exports": { ".": "./src/index.ts", "./more": "./src/more.js", "./style.css": "./src/style.css" }, "imports": { "#inner": "./src/inner.ts" } }',
      'project/packages/b/src/index.ts':
        "import { inner } from '#inner'\nimport { c } from '@own/c'\nexport const b: number = inner + c\n",
      'project/packages/b/src/inner.ts': 'export const inner: number = 1\n',
      'project/packages/b/src/more.js': 'export const more = 1\n',
      'project/packages/b/src/style.css': '.b { color: red }\n',
      'project/packages/c/package.json': '{ "name": "@own/c", "main": "./main.cjs" }',
      'project/packages/c/main.cjs': 'exports.c = 1\n',
      'project/packages/b/node_modules/@own/c': { link: '../../../c' },
      'project/node_modules/@own/b': { link: '../../packages/b' },
      'project/node_modules/.pnpm/dep@1.0.0/node_modules/dep/package.json': '{ "name": "dep", "main": "main.js" }',
      'project/node_modules/.pnpm/dep@1.0.0/node_modules/dep/main.js': "exports.dep = require('under').under\n",
      'project/node_modules/.pnpm/dep@1.0.0/node_modules/under': { link: '../../under@1.0.0/node_modules/under' },
      'project/node_modules/.pnpm/under@1.0.0/node_modules/under/package.json': '{ "name": "under" }',
      'project/node_modules/.pnpm/under@1.0.0/node_modules/under/index.js': 'exports.under = 1\n',
      'project/node_modules/dep': { link: '.pnpm/dep@1.0.0/node_modules/dep' },
      'project/test/linked.test.ts': pageOf(`import { createRequire } from 'node:module'
import { expect, test, vi } from 'vitest'
import { b } from '@own/b'
import '@own/b/style.css'
import { more } from '@own/b/more'
import { dep } from 'dep'
vi.mock(import('@own/b/more'), async (original) => ({ ...(await original()), more: 2 }))
test('linked', () => expect([b, more, dep]).toEqual([2, 2, 1]))
test('required', () => expect(createRequire(import.meta.url)('@own/b/more')).toBeDefined())`),
    },
  },
  'in a package of a workspace': {
    cwd: 'project/packages/a',
    files: {
      'project/package.json': '{ "name": "all", "private": true, "workspaces": ["packages/*"] }',
      'project/packages/a/package.json': '{ "name": "a", "type": "module" }',
      'project/packages/b/package.json': '{ "name": "b", "type": "module", "main": "src/index.ts" }',
      'project/packages/b/src/index.ts': "import data from './data.js'\nexport const b: number = data\n",
      'project/packages/b/src/data.js': 'export default 1\n',
      'project/tsconfig.base.json': '{ "compilerOptions": { "experimentalDecorators": true } }',
      'project/packages/a/tsconfig.json': '{ "extends": "../../tsconfig.base.json", "include": ["src", "test"] }',
      'project/packages/a/node_modules/b': { link: '../../b' },
      'project/packages/a/test/a.test.ts': `import { expect, test } from 'vitest'
import { b } from 'b'
const noted: string[] = []
const note = (_: unknown, key: string) => void noted.push(key)
class A { @note method() {} }
test('linked', () => expect([b, noted, typeof A]).toEqual([1, ['method'], 'function']))`,
    },
  },
  msw: {
    needs: ['msw'],
    files: {
      'project/test/msw.test.ts': `import { http, HttpResponse } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, beforeAll, expect, test } from 'vitest'
const server = setupServer(http.get('https://api.example/user', () => HttpResponse.json({ name: 'you' })))
beforeAll(() => server.listen({ onUnhandledRequest: 'error' }))
afterAll(() => server.close())
test('fetch', async () => expect(await (await fetch('https://api.example/user')).json()).toEqual({ name: 'you' }))
test('node:https', async () => {
  const { default: https } = await import('node:https')
  const text = await new Promise((resolve, reject) => https.get('https://api.example/user', (answer) => {
    let all = ''
    answer.on('data', (part) => { all += part }).on('end', () => resolve(all))
  }).on('error', reject))
  expect(JSON.parse(text)).toEqual({ name: 'you' })
})`,
      'project/test/page.test.ts': pageOf(`import { http, HttpResponse } from 'msw'
import { setupServer } from 'msw/node'
import { expect, test } from 'vitest'
test('XMLHttpRequest', async () => {
  const server = setupServer(http.get('http://localhost:3000/user', () => HttpResponse.text('you')))
  server.listen()
  const text = await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.onload = () => resolve(request.responseText)
    request.onerror = reject
    request.open('GET', '/user')
    request.send()
  })
  expect(text).toBe('you')
  server.close()
})`),
    },
  },
  bench: {
    command: ['bench', '--run'],
    files: {
      'project/src/sum.ts': 'export const sum = (a: number, b: number): number => a + b\n',
      'project/test/sum.bench.ts': `import { bench, describe } from 'vitest'
import { sum } from '../src/sum'
describe('sum', () => {
  bench('small', () => void sum(1, 2), { time: 20, iterations: 5, warmupTime: 0, warmupIterations: 0 })
  bench('large', () => void sum(1e9, 2e9), { time: 20, iterations: 5, warmupTime: 0, warmupIterations: 0 })
})`,
      // Vitest 5 takes benchmarks for tests.
      'project/test/also.bench.ts': `import * as all from 'vitest'
import { sum } from '../src/sum'
if ('bench' in all) all.describe('also', () => all.bench('one', () => void sum(1, 2), { time: 20 }))`,
    },
    until: 5,
    tells: (_, out) =>
      [...out.matchAll(/(?:·|✓) (small|large|one|test\/\w+\.bench\.ts)/g)].map(([, name]) => name).sort(),
  },
  typecheck: {
    needs: ['typescript'],
    files: {
      'project/tsconfig.json':
        '{ "compilerOptions": { "module": "esnext", "moduleResolution": "bundler", "target": "esnext", "strict": true, "skipLibCheck": true, "noEmit": true, "types": [] }, "include": ["src", "test"] }',
      'project/src/sum.ts': 'export const sum = (a: number, b: number): number => a + b\n',
      'project/test/sum.test-d.ts': `import { expectTypeOf, test } from 'vitest'
import { sum } from '../src/sum'
test('right', () => expectTypeOf(sum).returns.toBeNumber())
test('wrong', () => expectTypeOf(sum).returns.toBeString())`,
      'project/test/sum.test.ts': `import { expect, test } from 'vitest'
import { sum } from '../src/sum'
test('sum', () => expect(sum(1, 2)).toBe(3))`,
    },
    test: 'typecheck: { enabled: true }',
  },
  'a browser beside': {
    needs: ['@vitest/browser-playwright', 'playwright'],
    from: 4,
    imports: "import { playwright } from '@vitest/browser-playwright'",
    files: {
      'project/test/node.test.ts':
        "import { expect, test } from 'vitest'\ntest('node', () => expect(typeof window).toBe('undefined'))\n",
      'project/browser/page.test.ts':
        "import { expect, test } from 'vitest'\nimport '../src/page.css'\ntest('page', () => expect(document.body).toBeDefined())\n",
      'project/src/page.css': 'body { color: red }\n',
    },
    test: `projects: [
      { extends: true, test: { name: 'node', include: ['test/**'] } },
      { test: { name: 'page', include: ['browser/**'], pool: 'forks', browser: { enabled: true, headless: true, screenshotFailures: false,
        provider: playwright({ launchOptions: { executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] } }), instances: [{ browser: 'chromium' }] } } },
    ]`,
  },
  'worker under v8': worker('v8'),
  'worker under istanbul': worker('istanbul'),
  'a long file': {
    files: {
      // More than 32 MiB: what is printed beneath an error is looked for in it.
      'project/test/long.test.js': () => `import { expect, test } from 'vitest'
${`// ${'x'.repeat(1020)}\n`.repeat(33 * 1024)}
test('fails', () => expect(1).toBe(2))
test('passes', () => expect(1).toBe(1))`,
    },
  },
  'no package.json of its own': {
    files: {
      'project/test/a.test.js':
        "import { expect, test } from 'vitest'\nimport { a } from '../src/a.js'\ntest('a', () => expect(a).toBe(1))\n",
      'project/src/a.js': 'export const a = 1\n',
      'project/package.json': undefined,
      'package.json': '{ "type": "module", "private": true }',
    },
  },
  assets: {
    files: {
      'project/tsconfig.json': '{ "compilerOptions": { "paths": { "~/*": ["./src/*"] } } }',
      'project/public/logo.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
      'project/src/a.module.css': ".a { composes: b from './b.module.css'; color: red }\n",
      'project/src/b.module.css': "@value main from './values.module.css';\n.b { color: main }\n",
      'project/src/values.module.css': '@value main: red;\n',
      'project/src/lib.wasm': { base64: 'AGFzbQEAAAA=' },
      'project/src/pages/a.ts': 'export default 1\n',
      'project/src/pages/deep/b.ts': 'export default 2\n',
      'project/.env': 'VITE_OWN=yes\nOTHER=no\n',
      'project/test/assets.test.ts': pageOf(`import { expect, test } from 'vitest'
import logo from '/logo.svg'
import styles from '../src/a.module.css'
import wasm from '../src/lib.wasm?url'
import text from '../src/values.module.css?raw'
const pages = import.meta.glob('../src/pages/**/*.ts')
const texts = import.meta.glob('../src/pages/*.ts', { query: '?raw', eager: true, import: 'default' })
test('assets', async () => {
  expect([typeof logo, typeof wasm]).toEqual(['string', 'string'])
  expect(Object.keys(styles)).toContain('a')
  expect(text).toContain('@value')
  expect(Object.keys(pages)).toHaveLength(2)
  expect(Object.values(texts)).toEqual(['export default 1\\n'])
  expect([import.meta.env.VITE_OWN, import.meta.env.OTHER]).toEqual(['yes', undefined])
})`),
    },
    test: 'css: { modules: { classNameStrategy: "non-scoped" }, include: [/./] }',
  },
}
