/** What each adapter reads of a config, against the shapes that its Vitest leaves there. */
import { expect, test } from 'vitest'
import { v3 } from '../../../src/vitest/versions/v3.js'
import { v4 } from '../../../src/vitest/versions/v4.js'
import { v5 } from '../../../src/vitest/versions/v5.js'

const PLUGIN = 'vitest-pool-seccomp'
const withPlugins = (...names: string[]) => ({ viteConfig: { plugins: names.map((name) => ({ name })) } })

test.each([
  [v3, {}, false, false],
  [v3, { workspace: [] }, false, true],
  [v4, { projects: [] }, false, true],
  [v4, { projects: [] }, true, false],
  [v4, { projects: './file' }, false, false],
  [v5, {}, false, false],
  [v5, { resolvedProjects: [] }, false, true],
  [v5, { resolvedProjects: [withPlugins('other')] }, true, true],
  [v5, { resolvedProjects: [withPlugins('other'), withPlugins('other', PLUGIN)] }, false, false],
  [v5, { resolvedProjects: [null, {}] }, false, true],
])('options that name projects without the plugin: %#', (adapter, options, isInUse, expected) => {
  expect(adapter.plugins.confinesNothing(options, PLUGIN, isInUse)).toBe(expected)
})

test('the options that a run was started with', () => {
  const options = {}
  for (const { plugins } of [v3, v4]) {
    expect(plugins.startedWith({ _vitest: options, test: {} })).toBe(options)
    expect(plugins.startedWith({ test: {} })).toBeUndefined()
  }
  expect(v5.plugins.startedWith({ test: options })).toBe(options)
  expect(v5.plugins.startedWith({})).toBeUndefined()
})

test('where transformed modules are kept', () => {
  const config = { fsModuleCachePath: '/5', experimental: { fsModuleCachePath: '/4' } }
  expect([v3, v4, v5].map((adapter) => adapter.transformCache(config))).toEqual([undefined, '/4', '/5'])
  expect([v4, v5].map((adapter) => adapter.transformCache({}))).toEqual([undefined, undefined])
})

test('a pool is ours by its name, or under Vitest 3 by its path', () => {
  const paths = ['seccomp', 'forks', '/nowhere/vitest3.js', undefined]
  for (const { pool } of [v4, v5]) expect(paths.map((path) => pool.isOurs(path))).toEqual([true, false, false, false])
  expect(paths.map((path) => v3.pool.isOurs(path))).toEqual([false, false, false, false])
})

test('only workers of Vitest 5 write what coverage saw', () => {
  expect([v3, v4, v5].map(({ coverage }) => coverage)).toEqual(['by message', 'by message', 'by file'])
})

test('where the HTML reporter says that it writes', () => {
  expect(
    [v3, v4, v5].map(({ html, reporterDirs }) => [html.option, `${reporterDirs.html}/${html.attachments}`]),
  ).toEqual([
    ['outputFile', 'html/data'],
    ['outputFile', 'html/data'],
    ['outputDir', '.vitest/attachments'],
  ])
})

test('where Vitest keeps the results of a run, below the directory for caches', () => {
  expect([v3, v4, v5].map(({ results }) => results)).toEqual([
    ['vitest/results.json'],
    ['vitest/results.json'],
    ['results.json', 'dependencies.json'],
  ])
})
