/** Landlock's right to execute: it goes to the place that was looked at, and not to where a link leads by then. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const isLinux = process.platform === 'linux'
const { landlockAbi } = isLinux ? await import('../../src/sys/confine.js') : { landlockAbi: () => 0 }

let scratch: string

beforeAll(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'limited-')))
  symlinkSync('/', join(scratch, 'link'))
})

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const code = (programs: readonly string[]): string => `
  import(${JSON.stringify(new URL('../../dist/sys/confine.js', import.meta.url).href)}).then(({ noNewPrivileges, limitExecution }) => {
    noNewPrivileges()
    limitExecution(${JSON.stringify(programs)})
    const { error, status } = require('node:child_process').spawnSync('/bin/true')
    console.log(error?.code ?? status)
  })`

test.skipIf(landlockAbi() === 0)('a link is no program, nor is what lies behind one', () => {
  const run = (...programs: string[]): string => {
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', code(programs)], { encoding: 'utf8' })
    expect(stderr).toBe('')
    return stdout.trim()
  }
  expect(run('/')).toBe('0')
  for (const at of ['link', 'link/usr', 'link/bin/true']) expect(run(join(scratch, at)), at).toBe('EACCES')
})
