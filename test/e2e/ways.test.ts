/** The symbolic links on the way to what an entry names. */
import { existsSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { outcomes } from './json-report.js'
import { project, run } from './run-vitest.js'

test('no link on the way of a grant is put elsewhere, and none on the way of an exclusion is taken away', async () => {
  using at = project('e2e-ways')
  const way = (path: string): string => join(at.root, path)
  symlinkSync('shared/current', way('conf'))
  symlinkSync('one', way('shared/current'))
  symlinkSync('kept', way('shared/way'))
  const report = await run(at)
  expect(outcomes(report.json).map((line) => line.replace('bends.test.mjs > ', ''))).toEqual([
    'a link on the way of a grant: failed', 'a link on the way of an exclusion, removed: failed',
    'a link on the way of an exclusion, renamed: failed', 'a link on the way of an exclusion, replaced: failed',
    'the way is open: passed', 'bends.test.mjs: failed',
  ])
  expect(readlinkSync(way('shared/way'))).toBe('kept')
  expect(existsSync(way('shared/current'))).toBe(false)
  expect(report.code).toBe(1)
})
