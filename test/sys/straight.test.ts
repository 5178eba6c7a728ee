/** The short way and the walk say the same of every path that has no symbolic link on it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { bytePath } from '../../src/policy/request.js'
import { LinuxKernel } from '../../src/sys/kernel.js'
import { LinuxTarget } from '../../src/sys/target.js'
import { ProcessHandle } from '../../src/sys/worker-process.js'
import { failed } from '../../src/syscalls/outcome.js'
import { resolve } from '../../src/syscalls/resolve.js'
import { policyOf } from '../contracts/rules.js'

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'straight-')))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
mkdirSync(join(dir, 'a/b'), { recursive: true })
writeFileSync(join(dir, 'a/file'), '')
symlinkSync('a', join(dir, 'link'))
symlinkSync('nowhere', join(dir, 'dangling'))

const kernel = new LinuxKernel('shared')
const target = new LinuxTarget(new ProcessHandle(process.pid), process.pid, () => true)

test.each(['', '/a', '/a/b', '/a/file', '/a/none', '/none', '/none/below', '/a/file/below'])('%s', (path) => {
  const text = dir + path
  const there = kernel.kindWithoutSymlinks(bytePath(text))
  const walked = resolve({ kernel, target, policy: policyOf(['read +/']) }, text, 'follow')
  if (failed(there)) return expect(walked).toBe(there)
  if (there === 'nothing')
    return expect(failed(walked) ? walked.errno : walked.kind).toBe(failed(walked) ? Errno.ENOENT : undefined)
  expect(walked).toMatchObject({ path: text, kind: there })
})

test.each(['/link', '/link/b', '/link/none', '/dangling', '/dangling/x'])('%s has a link on the way', (path) => {
  expect(kernel.kindWithoutSymlinks(bytePath(dir + path))).toMatchObject({ errno: Errno.ELOOP })
})
