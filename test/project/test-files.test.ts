/** The places that entries beside a test file lead through. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseOptions } from '../../src/policy/schema.js'
import { lookup } from '../../src/project/lookup.js'
import { bindTestFiles, waysOf } from '../../src/project/test-files.js'

let root: string
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'test-files-')))
  for (const dir of ['plain/data', 'linked', 'elsewhere']) mkdirSync(join(root, dir), { recursive: true })
  symlinkSync('../elsewhere', join(root, 'linked/data'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

test.each([
  ['plain', []],
  ['linked', ['<file>/data/', '<file>/data/', 'unix:<file>/data/s', '<file>/data/kept']],
])('are none where no link is on the way: %s', (dir, sources) => {
  const options = parseOptions({
    manifest: {
      read: ['<file>/data/', '!<file>/data/secret', 'elsewhere/'],
      write: ['<file>/data/'],
      connect: ['unix:<file>/data/s', 'tcp:127.0.0.1:1'],
      resources: { kept: { read: '<file>/data/kept' } },
    },
  })
  const context = { root, workspace: root, home: '/', lookup, searchPath: [], addresses: new Map() }
  const ways = waysOf(bindTestFiles(options, context, [join(root, dir, 'x.test.ts')], root))
  expect(new Set(ways.map(({ source }) => source))).toEqual(new Set(sources))
  for (const { place } of ways) expect(place).toContain(join(root, 'linked'))
})
