/** What `deny` names is refused without a violation: before any grant, and in audit mode, too. */
import { expect, test } from 'vitest'
import { openFlags } from '../../src/abi/open-flags.js'
import { AT_FDCWD } from '../../src/abi/path-flags.js'
import { compilePolicy, type Mode, type PathRule } from '../../src/policy/policy.js'
import { policyData, rule } from '../contracts/rules.js'
import { House } from './house.js'
import { FILES, RULES } from './scene.js'

const { O_RDONLY, O_WRONLY, O_CREAT } = openFlags('x64')

function house(mode: Mode): House {
  const denied = (text: string, quiet: NonNullable<PathRule['quiet']>): PathRule => ({ ...rule(text), quiet })
  const policy = compilePolicy({
    ...policyData(RULES, mode),
    denied: [
      denied('read !/r/f', 'absent'),
      denied('read !/o/canary', 'forbidden'),
      denied('read !/w/new', 'absent'),
      denied('read !/o/none', 'forbidden'),
    ],
  })
  return new House({ files: FILES, policy })
}

test.each(['enforce', 'audit'] as const)('in %s mode', (mode) => {
  const here = house(mode)
  expect(here.call('openat', AT_FDCWD, '/r/f', O_RDONLY, 0)).toBe('ENOENT')
  expect(here.call('openat', AT_FDCWD, '/o/canary', O_RDONLY, 0)).toBe('EACCES')
  // Enforced, the disk is not asked for a name in a directory that nothing shows.
  expect(here.call('openat', AT_FDCWD, '/o/none', O_RDONLY, 0)).toBe(mode === 'audit' ? 'ENOENT' : 'EACCES')
  // ENOENT would say that its directory is missing, which Node's recursive mkdir makes again and again.
  expect(here.call('openat', AT_FDCWD, '/w/new', O_WRONLY | O_CREAT, 0o644)).toBe('EACCES')
  expect(here.call('mkdirat', AT_FDCWD, '/w/new', 0o755)).toBe('EACCES')
  expect(here.call('access', '/r/f', 4)).toBe('ENOENT')
  expect(here.violations).toEqual([])
  expect(here.findings).toContainEqual({
    outcome: 'hidden',
    request: { kind: 'path', access: 'read', path: '/r/f' },
    by: { source: '/r/f', at: 'test' },
    there: 'regular',
  })
})
