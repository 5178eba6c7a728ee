import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { hasInlineSnapshots } from '../../src/broker/inline-snapshots.js'

test('only code that calls a matcher is rewritten, and none by which a tool is set up', () => {
  const dir = mkdtempSync(join(tmpdir(), 'inline-'))
  try {
    const are = (names: readonly string[], text: string): readonly string[] =>
      names.filter((name) => {
        writeFileSync(join(dir, name), text)
        return hasInlineSnapshots(join(dir, name))
      })
    const tests = ['a.test.ts', 'src.ts', 'in-source.tsx', 'vite.config.test.ts', 'a.spec.mjs', 'a.test.vue']
    const others = ['AGENTS.md', 'eslint.config.js', '.eslintrc.cjs', 'vitest.setup.ts', 'ci.yml', 'Makefile']
    expect(are([...tests, ...others], 'expect(1).toMatchInlineSnapshot()')).toEqual(tests)
    expect(are(tests, 'expect(1).toBe(1)')).toEqual([])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
