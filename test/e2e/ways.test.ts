/** The symbolic links on the way to what an entry names. */
import { existsSync, mkdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileOf, outcomes } from './json-report.js'
import { project, run } from './run-vitest.js'

test('no link on the way of a grant is put elsewhere, and none on the way of an exclusion is taken away', async () => {
  using at = project('e2e-ways')
  const way = (path: string): string => join(at.root, path)
  symlinkSync('shared/current', way('conf'))
  symlinkSync('one', way('shared/current'))
  symlinkSync('kept', way('shared/way'))
  symlinkSync('kept', way('open/way'))
  const report = await run(at)
  expect(outcomes(report.json).map((line) => line.replace('bends.test.mjs > ', ''))).toEqual([
    'a link on the way of a grant: failed',
    'a link on the way of an exclusion from another list, removed: failed',
    'a link on the way of an exclusion from another list, renamed: failed',
    'a link on the way of an exclusion, removed: failed',
    'a link on the way of an exclusion, renamed: failed',
    'a link on the way of an exclusion, replaced: failed',
    'the way is open: passed',
    'bends.test.mjs: failed',
  ])
  expect(['shared/way', 'open/way'].map((path) => readlinkSync(way(path)))).toEqual(['kept', 'kept'])
  expect(existsSync(way('shared/current'))).toBe(false)
  expect(report.code).toBe(1)
})

test('a link in the place of snapshots or packages that are not there grants nothing', async () => {
  using at = project('e2e-planted')
  // Planted before the run, for whichever file runs first.
  mkdirSync(join(at.root, 'test/__snapshots__'))
  symlinkSync('../../secret.txt', join(at.root, 'test/__snapshots__/reads.test.mjs.snap'))
  const report = await run(at)
  expect(existsSync(join(at.root, 'packages/b/node_modules'))).toBe(false)
  expect(at.read('secret.txt')).toBe('secret\n')
  expect(outcomes(report.json)).toContain('plants.test.mjs > where another project would have its packages: failed')
  const asked = fileOf(report.json, 'reads.test.mjs').assertionResults.find(
    ({ title }) => title === 'what its snapshots lead to',
  )
  expect(asked?.failureMessages?.join('\n')).toMatch(/open .*secret\.txt for reading/)
})
