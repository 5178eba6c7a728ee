import { expect, test } from 'vitest'
import { readRunArguments, rootOf } from '../../../src/cli/run/arguments.js'

test.each([
  [[], ['run']],
  [['--coverage'], ['run', '--coverage']],
  [
    ['run', 'a.test.ts'],
    ['run', 'a.test.ts'],
  ],
  [['--watch'], ['watch', '--watch']],
  [['--ui'], ['watch', '--ui']],
  [['bench'], ['bench']],
  [
    ['related', 'src/a.ts'],
    ['related', 'src/a.ts'],
  ],
  [
    ['--manifest', 'm.json', '--audit', 'a'],
    ['run', 'a'],
  ],
  [
    ['--', '--audit'],
    ['run', '--', '--audit'],
  ],
])('%j is Vitest with %j', (args, vitest) => {
  expect(readRunArguments(args).vitest).toEqual(vitest)
})

test('its own options', () => {
  const { manifest, audit, record, acceptDangerous, keepPools } = readRunArguments([
    '--manifest=m.json',
    '--record',
    '--accept-dangerous',
    '--keep-pools',
  ])
  expect({ manifest, audit, record, acceptDangerous, keepPools }).toEqual({
    manifest: 'm.json',
    audit: true,
    record: true,
    acceptDangerous: true,
    keepPools: true,
  })
})

test('what the command line says of places, mode and ports', () => {
  const read = readRunArguments([
    '--root=packages/a',
    '--mode',
    'staging',
    '--outputFile.json=out.json',
    '--outputFile',
    'all.xml',
    '--coverage.reportsDirectory=reports',
    '--api.port=4000',
    '--inspect-brk',
    '-c',
    'config/unit.ts',
    '--dir=test',
  ])
  expect(read.mode).toBe('staging')
  expect(read.root).toBe('packages/a')
  expect(read.configs).toEqual(['config/unit.ts'])
  expect(read.outputs).toEqual([
    { path: 'out.json', shape: 'file' },
    { path: 'all.xml', shape: 'file' },
    { path: 'reports', shape: 'tree' },
  ])
  expect(read.ports).toEqual([
    { option: '--api.port', port: 4000 },
    { option: '--inspect-brk', port: 9229 },
  ])
  expect(rootOf(read, '/work')).toBe('/work/packages/a')
})

test('nothing of the kind is nothing', () => {
  const read = readRunArguments(['--ui=false', 'src/ui.test.ts'])
  expect(read.ports).toEqual([])
  expect(read.outputs).toEqual([])
  expect(rootOf(read, '/work')).toBe('/work')
  expect(read.mode).toBe('test')
})
