/** Vitest's cache of modules on disk: used as ever, and none of its files open to a worker. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fileOf } from '../../e2e/json-report.js'
import { project, run, vitestMajor, type Project } from '../../e2e/run-vitest.js'

const FOUND = 'found what only another test may read'

function cached({ root }: Project): readonly string[] {
  const dir = join(root, 'node_modules', vitestMajor >= 5 ? '.vitest-cache' : '.experimental-vitest-cache')
  return existsSync(dir) ? readdirSync(dir) : []
}

// It came with Vitest 4.
describe.skipIf(vitestMajor === 3)('the cache of modules', () => {
  test('a worker gets what it imports, with its source map, and no look at what others imported', async () => {
    using at = project('gate-cache')
    for (const time of ['cold', 'warm']) {
      const report = await run(at)
      for (const name of ['a.test.mjs', 'b.test.mjs'])
        expect(fileOf(report.json, name).status, `${time} ${name}`).toBe('passed')
      expect(fileOf(report.json, 'c.test.mjs').status).toBe('failed')
      expect(report.out).toContain('vitest-cache')
      expect(report.out).not.toContain(FOUND)
      expect(cached(at).length).toBeGreaterThan(2)
    }
  })

  test('what a grant let into a module is not in it for a run without the grant', async () => {
    using at = project('gate-cache')
    at.write('src/page.ts', "export const url = new URL('../data.json?inline', import.meta.url).href\n")
    at.write(
      'test/page.test.mjs',
      `// @vitest-environment jsdom
import { expect, test } from 'vitest'
import { url } from '../src/page.ts'
test('inlined', () => expect(console.log(url)).toBeUndefined())
`,
    )
    const content = Buffer.from(at.read('data.json')).toString('base64').replace(/=+$/, '')
    const refused = async (): Promise<void> => {
      const { json, out, code } = await run(at, ['page'])
      expect(fileOf(json, 'page.test.mjs').status).toBe('failed')
      expect(out).not.toContain(content)
      expect(out).toContain("to allow it, add to the manifest: read: ['data.json']")
      expect(code).toBe(1)
    }
    // The module that is made without is in no cache either.
    await refused()
    for (const time of ['cold', 'warm']) {
      const granted = await run(at, ['page'], { env: { GATE_GRANT: 'yes' } })
      expect(fileOf(granted.json, 'page.test.mjs').status, time).toBe('passed')
      expect(granted.out).toContain(content)
    }
    await refused()
  })

  test('nor where the module ends with such a note of its own', async () => {
    using at = project('gate-cache')
    const note = `//# seccompReads=${Buffer.from('[]').toString('base64')}`
    at.write('src/page.js', `export const url = new URL('../data.json?inline', import.meta.url).href\n${note}`)
    at.write(
      'test/page.test.mjs',
      `// @vitest-environment jsdom
import { expect, test } from 'vitest'
import { url } from '../src/page.js'
test('inlined', () => expect(console.log(url)).toBeUndefined())
`,
    )
    const content = Buffer.from(at.read('data.json')).toString('base64').replace(/=+$/, '')
    expect((await run(at, ['page'], { env: { GATE_GRANT: 'yes' } })).out).toContain(content)
    expect((await run(at, ['page'])).out).not.toContain(content)
  })

  test('in the stock pool the cache is open: the attempt shows something', async () => {
    using at = project('gate-cache')
    const report = await run(at, [], { env: { GATE_STOCK: 'yes' } })
    expect(report.out).toContain(FOUND)
  })
})
