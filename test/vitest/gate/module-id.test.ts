import { expect, test } from 'vitest'
import { classify, isLeftToPlugins } from '../../../src/vitest/gate/classify.js'
import { filesOf, isRemote, publicFileOf, splitId } from '../../../src/vitest/gate/module-id.js'

test.each([
  ['/etc/passwd?raw', ['/etc/passwd', '/public/etc/passwd']],
  ['/a/../../etc/passwd', ['/etc/passwd', '/public/etc/passwd']],
  ['/@fs//etc/passwd?raw#x', ['/@fs/etc/passwd', '/etc/passwd', '/public/@fs/etc/passwd']],
  ['file:///etc/passwd?raw', ['/cwd/file:/etc/passwd', '/etc/passwd']],
  ['file://host/x', ['/cwd/file:/host/x']],
  ['name', ['/cwd/name']],
  ['\0virtual', []],
  ['node:fs', []],
  ['node:/etc/passwd', ['/cwd/node:/etc/passwd']],
  ['data:text/javascript,1', []],
  ['', []],
  ['/a\0b', []],
])('%j may make Vite read %j', (id, files) => {
  const found = [...filesOf(id, '/cwd'), publicFileOf(id, '/public')].filter((path) => path !== undefined)
  expect(found.sort()).toEqual([...files].sort())
})

test('an id ends where its query or its hash begins', () => {
  expect(splitId('/a?b#c')).toEqual({ path: '/a', query: '?b#c' })
  expect(splitId('/a#c?raw')).toEqual({ path: '/a', query: '#c?raw' })
  expect([isRemote('http://x'), isRemote('//x'), isRemote('file:///x'), isRemote('/x')]).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test.each([
  ['a.ts', '', 'code'],
  ['a.mjs', '?t=1', 'code'],
  ['a.vue', '?vue&type=style&lang.css', 'code'],
  ['a.css', '', 'style'],
  ['a.module.scss', '', 'style'],
  ['a.ts', '?raw', 'raw'],
  ['a.ts', '?x&raw', 'raw'],
  ['a.css', '?inline', 'asset'],
  ['a.ts', '?worker', 'asset'],
  ['a.png', '', 'asset'],
  ['a.png', '?url&inline', 'asset'],
  ['a.json', '', 'json'],
  ['a.json', '?raw', 'raw'],
  ['a.json', '?url', 'url'],
  ['a.wasm', '?init', 'asset'],
  ['.env', '', 'asset'],
  ['.env.ts', '', 'asset'],
  ['.eslintrc.cjs', '', 'code'],
  ['.env.cjs', '', 'asset'],
  ['package-lock.json', '', 'asset'],
  ['pnpm-lock.yaml', '', 'asset'],
  ['key.pem', '', 'asset'],
  ['a', '', 'asset'],
  ['a.ts', '#?raw', 'raw'],
])('%s%s is %s', (file, query, expected) => {
  const kind = classify(file, query)
  expect(kind.is === 'read' ? kind.as : kind.is).toBe(expected)
})

test('what the config takes for a module is one', () => {
  expect(classify('a.imba', '', ['.imba'])).toEqual({ is: 'code' })
})

test('what Vite reads by name is not left to plugins', () => {
  const left = [
    ['virtual:answer', ''],
    ['/__uno.css', ''],
    ['/src/made.ts', ''],
    ['/src/made.ts', '?v=1'],
    ['a.mjs', '#x'],
  ]
  const read = [
    ['a.txt', '?raw'],
    ['a.mjs', '?raw'],
    ['a.mjs', '?x=1&url'],
    ['a.css', '?inline'],
    ['a', '?worker'],
    ['a.svg', ''],
    ['a.json', ''],
    ['a.txt', ''],
    ['a.vue', ''],
    ['a.wasm', '?init'],
  ]
  expect([...left, ...read].filter(([file = '', query = '']) => isLeftToPlugins(file, query))).toEqual(left)
})
