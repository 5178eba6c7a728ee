import { expect, test } from 'vitest'
import { isNormalId, isNormalName } from '../../../src/vitest/gate/normal-form.js'

test.each([
  'react',
  '@scope/name/file.js',
  '#internal',
  'node:fs',
  'virtual:generated',
  '\0plugin:module?x=1',
  '/@id/__x00__plugin:module',
  '/src/a.ts',
  '/@fs/home/a b/c.ts',
  './a/../b.ts',
  '/src/a.ts?v=1.2.3',
  '/src/a.vue?vue&type=style&index=0&lang.css',
  '/src/a.svelte?svelte&type=style&lang.css',
  '/src/a.svg?url&no-inline',
  '/src/a.ts?t=1700000000000&import',
  'file:///home/a%20b/c.ts',
  'data:text/javascript,1%0a',
  'https://example.org/a.js',
])('%s is a name', (name) => {
  expect(isNormalName(name)).toBe(true)
})

test.each([
  '/etc/passwd\n?raw',
  '/etc/passwd\u2028.ts',
  '/etc/pass\0wd',
  '\ud800',
  '/src/a.ts?.less',
  '/src/a.ts?x&lang.less',
  '/src/a.ts?x=y.svg',
  '/src/a.ts?a?b',
  '/src/a.ts#x?raw',
  '/src/a.ts?raw#x',
  '/src/%61.ts',
  '/src/a.ts?%72aw',
  '\\etc\\passwd',
  'file:/etc/passwd',
  'file://localhost/etc/passwd',
  'FILE:///etc/passwd',
  'file:///etc/x/../passwd',
  'file:///etc/p%61sswd',
])('%s is none', (name) => {
  expect(isNormalName(name)).toBe(false)
})

test.each(['/src/../etc/passwd', '/src/./a.ts', '//src/a.ts', 'file:///src/a.ts'])('%s is no id of a module', (id) => {
  expect(isNormalId(id)).toBe(false)
})
