/** Snapshot files and inline snapshots are written in the modes in which Vitest writes them, and only then. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { project, run, type Project } from './run-vitest.js'

const SNAP = 'test/__snapshots__/file.test.mjs.snap'
const INLINE = 'test/inline.test.mjs'
const OWN = 'test/own.txt'

const inline = (at: Project): string | undefined => /toMatchInlineSnapshot\(([^]*?)\)\n\}/.exec(at.read(INLINE))?.[1]

test('new, equal, different, updated', async () => {
  using at = project('e2e-snapshots')
  const first = await run(at)
  expect(first.out).toMatch(/Snapshots +3 written/)
  expect(at.read(SNAP)).toContain('"value": "one"')
  expect(inline(at)).toContain('"value": "one"')
  expect(at.read(OWN)).toBe('value one\n')

  expect(await run(at)).toMatchObject({ code: 0, json: { success: true } })

  const different = await run(at, [], { env: { E2E_VALUE: 'two' } })
  expect(different.code).toBe(1)
  expect(different.out).toMatch(/Snapshots +3 failed/)
  expect(different.out).not.toContain('SeccompViolation')
  expect(at.read(SNAP)).toContain('"value": "one"')

  const updated = await run(at, ['-u'], { env: { E2E_VALUE: 'two' } })
  expect(updated.code).toBe(0)
  expect(updated.out).toMatch(/Snapshots +3 updated/)
  expect(at.read(SNAP)).toContain('"value": "two"')
  expect(inline(at)).toContain('"value": "two"')
  expect(at.read(OWN)).toBe('value two\n')
})

test('in CI nothing is written, with the outcome of the stock pool, and the test file stays out of reach', async () => {
  using at = project('e2e-snapshots')
  at.write(
    'test/writes.test.mjs',
    `
    import { writeFileSync } from 'node:fs'
    import { test } from 'vitest'
    test('writes to its own file', () => {
      try { writeFileSync(new URL(import.meta.url), '// gone') } catch (error) { console.log('ERRNO ' + error.code) }
    })`,
  )
  const report = await run(at, ['file', 'inline', 'writes'], { env: { CI: 'true' } })
  expect(report.code).toBe(1)
  expect(report.out).toMatch(/Snapshots +3 failed/)
  expect(existsSync(join(at.root, SNAP))).toBe(false)
  expect(existsSync(join(at.root, OWN))).toBe(false)
  expect(inline(at)).toBe('')
  expect(report.out).toContain('ERRNO EACCES')
  expect(report.out.match(/SeccompViolation/g)).toHaveLength(1)
  expect(at.read('test/writes.test.mjs')).not.toBe('// gone')
})
