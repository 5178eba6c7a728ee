/** Files of variables in a worker's arguments, which Node itself would read before the filter. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { takeEnvFiles } from '../../src/vitest/env-files.js'
import { deferPreloads } from '../../src/vitest/preload.js'

let dir: string

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'env-files-'))
  writeFileSync(join(dir, 'one'), 'A=1\nB=1\nTERM=file\nNODE_OPTIONS="--require=./x.cjs"\nLD_PRELOAD=/x.so\n')
  writeFileSync(join(dir, 'two'), 'B="2\n2"\n')
})

afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('the variables are those that Node would take, and none that counts before the filter', () => {
  const args = ['--conditions', 'node', '--env-file=one', '--env-file', 'two', '--env-file-if-exists=none', '--x']
  expect(takeEnvFiles(args, { TERM: 'given' }, dir)).toEqual({
    argv: ['--conditions', 'node', '--x'],
    env: { TERM: 'given', A: '1', B: '2\n2', NODE_OPTIONS: '--require=./x.cjs' },
    later: { LD_PRELOAD: '/x.so' },
  })
})

test('a file that is not there ends the start, as it ends Node', () => {
  expect(() => takeEnvFiles(['--env-file=none'], {}, dir)).toThrow('none: ENOENT')
})

test.each(['--config-file=x', '--experimental-config-file=x', '--experimental_default_config_file'])(
  '%s is refused',
  (option) => {
    expect(() => deferPreloads([option], dir, () => false)).toThrow('what runs before the filter')
  },
)
