/** What takes the kernel long to remove is left to somebody else's close(2). */
import { fstatSync, mkdtempSync, openSync, realpathSync, rmSync, writeFileSync, linkSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../src/abi/path-flags.js'
import { decide } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import type { OwnedFd } from '../../src/sys/owned-fd.js'
import { Place } from '../../src/syscalls/place.js'
import { told } from '../contracts/kernel.contract.js'
import { named } from '../contracts/named.js'
import { policyOf } from '../contracts/rules.js'

const isLinux = process.platform === 'linux'
const LARGE = 16 << 20

describe.skipIf(!isLinux)('large files (skipped where the system is not Linux)', async () => {
  if (!isLinux) return
  const { LinuxKernel } = await import('../../src/sys/kernel.js')
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'large-files-')))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  const closed: OwnedFd[] = []
  const kernel = new LinuxKernel('shared', 'kernel', undefined, (fd) => void closed.push(fd))
  const policy = policyOf([`write +${scratch}/`])
  const at = (name: string): Place => {
    const verdict = decide(policy, { kind: 'path', access: 'write', path: rawPath(join(scratch, name)) })
    if (!verdict.allowed) throw new Error(`not granted: ${name}`)
    return new Place(verdict.granted, 0, false)
  }
  const make = (name: string, size: number): void => writeFileSync(join(scratch, name), Buffer.alloc(size, 1))
  /** Names and 512-byte blocks of what was left to be closed. */
  const left = (): { readonly nlink: number; readonly isLarge: boolean }[] =>
    closed.splice(0).map((fd) => {
      const { nlink, blocks } = fstatSync(fd.number)
      fd.close()
      return { nlink, isLarge: blocks * 512 >= LARGE }
    })

  test('the content of a large file stays until the descriptor is closed', () => {
    make('large', LARGE)
    expect([told(kernel.unlink(at('large'), 0)), existsSync(join(scratch, 'large'))]).toEqual(['ok', false])
    expect(left()).toEqual([{ nlink: 0, isLarge: true }])
  })

  test('so does that of one that is replaced', () => {
    make('large', LARGE)
    make('small', 1)
    expect(told(named(kernel).rename(at('small'), at('large'), 0))).toBe('ok')
    expect(left()).toEqual([{ nlink: 0, isLarge: true }])
  })

  test('nothing is left of a small one, of one with another name, and of one that is not replaced', () => {
    make('small', LARGE / 2)
    expect([told(kernel.unlink(at('small'), 0)), left()]).toEqual(['ok', []])
    make('large', LARGE)
    linkSync(join(scratch, 'large'), join(scratch, 'second'))
    expect([told(kernel.unlink(at('second'), 0)), left()]).toEqual(['ok', []])
    make('small', 1)
    expect([told(named(kernel).rename(at('small'), at('large'), RENAME_NOREPLACE)), left()]).toEqual(['EEXIST', []])
    expect([told(named(kernel).rename(at('small'), at('large'), RENAME_EXCHANGE)), left()]).toEqual(['ok', []])
  })

  test('what somebody still has open is closed at once, and stays', () => {
    make('large', LARGE)
    const fd = openSync(join(scratch, 'large'), 'r')
    expect(told(kernel.unlink(at('large'), 0))).toBe('ok')
    left()
    expect(fstatSync(fd).size).toBe(LARGE)
  })
})
