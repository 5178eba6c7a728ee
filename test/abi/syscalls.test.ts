import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { ARCHES, type Arch } from '../../src/abi/arch.js'
import { isSyscallName, syscallName, syscallNames, syscallNumber } from '../../src/abi/syscalls.js'

const RESOLVER_ARCH: Readonly<Record<Arch, string>> = { x64: 'x86_64', arm64: 'aarch64' }

test('known numbers, from the tables in arch/x86/entry/syscalls and the generic one', () => {
  expect(syscallNumber('x64', 'read')).toBe(0)
  expect(syscallNumber('x64', 'openat')).toBe(257)
  expect(syscallNumber('arm64', 'openat')).toBe(56)
  expect(syscallNumber('x64', 'seccomp')).toBe(317)
  expect(syscallNumber('arm64', 'seccomp')).toBe(277)
})

test('a call that an architecture lacks has no number', () => {
  expect(syscallNumber('arm64', 'open')).toBeUndefined()
  expect(syscallNumber('arm64', 'fork')).toBeUndefined()
})

test('names that every object has are no system calls', () => {
  expect(isSyscallName('constructor')).toBe(false)
  expect(isSyscallName('toString')).toBe(false)
  expect(isSyscallName('openat2')).toBe(true)
})

test('the first numbers of arm64 beyond all calls have no name', () => {
  expect(syscallName('arm64', -1)).toBeUndefined()
  expect(syscallName('arm64', 0xffffffff)).toBeUndefined()
  expect(syscallName('x64', 0x40000000)).toBeUndefined()
})

describe.each(ARCHES)('%s', (arch) => {
  test('number and name are inverse', () => {
    const names = syscallNames(arch)
    expect(names.length).toBeGreaterThan(300)
    for (const name of names) {
      const number = syscallNumber(arch, name)
      expect(number).toBeDefined()
      expect(syscallName(arch, number ?? -1)).toBe(name)
    }
  })

  test('scmp_sys_resolver gives the same number for every name that it knows', ({ skip }) => {
    const present = spawnSync('scmp_sys_resolver', ['-h'], { stdio: 'ignore' }).error === undefined
    skip(!present, "scmp_sys_resolver is not installed (Debian package 'seccomp')")
    const differences = syscallNames(arch).flatMap((name) => {
      const answer = execFileSync('scmp_sys_resolver', ['-a', RESOLVER_ARCH[arch], name], { encoding: 'utf8' })
      const theirs = Number(answer)
      // Negative: unknown to this release of libseccomp. scripts/generate-abi.mjs has the list of those that may be.
      return theirs < 0 || theirs === syscallNumber(arch, name) ? [] : [`${name}: ${theirs}`]
    })
    expect(differences).toEqual([])
  })
})
