/** The manifests in docs/examples/ were recorded, and are manifests. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { asJson } from '../../src/cli/record/print.js'
import { parseOptions, withManifestFile } from '../../src/policy/schema.js'
import { repository } from '../harness/confined.js'

const dir = join(repository, 'docs/examples')
const names = readdirSync(dir).filter((name) => name.endsWith('.manifest.json'))

test('there are two', () => expect(names.length).toBeGreaterThanOrEqual(2))

test.each(names)('%s', (name) => {
  const text = readFileSync(join(dir, name), 'utf8')
  expect(withManifestFile(parseOptions({}), name, text).manifest).toBeDefined()
  expect(asJson(JSON.parse(text))).toBe(text)
})
