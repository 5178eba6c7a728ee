/** A Node that names musl's loader is refused. Its loader here is glibc's under that name: nothing of musl's has to be there. */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isMusl, missingByLibc } from '../../src/broker/libc.js'
import { loaderNamedBy } from '../../src/broker/programs.js'
import { nodeBin, project, vitest } from './run-vitest.js'

const dir = mkdtempSync(join(tmpdir(), 'libc-'))
const node = join(dir, 'node')
const loader = loaderNamedBy(nodeBin) ?? ''
/** Short: it takes the place of the other name in the file. */
const named = join('/tmp', `ld-musl-${randomBytes(3).toString('hex')}`)

beforeAll(() => {
  symlinkSync(realpathSync(loader), named)
  const file = readFileSync(nodeBin)
  const at = file.indexOf(`${loader}\0`, 0, 'latin1')
  file.fill(0, at, at + loader.length)
  file.write(named, at, 'latin1')
  writeFileSync(node, file)
  chmodSync(node, 0o755)
})
afterAll(() => {
  for (const made of [dir, named]) rmSync(made, { recursive: true, force: true })
})

test('the run is refused, in one sentence', async () => {
  expect(isMusl(node)).toBe(true)
  using at = project('e2e-container')
  const { out, code } = await vitest(at, ['run'], { node })
  expect(out).toContain(`vitest-pool-seccomp cannot confine tests on this machine:\n  - ${missingByLibc(node)[0]}`)
  expect(out).not.toContain('SAYS')
  expect(code).toBe(1)
})

test('a Node that is not is asked nothing', () => {
  expect(missingByLibc(nodeBin)).toEqual([])
  expect(missingByLibc('/nowhere')).toEqual([])
  expect(isMusl(import.meta.filename)).toBe(false)
})
