/** Who met whom: decided on times and places alone. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ReportFile, Use } from '../../src/report/data.js'
import { hazardsOf, hazardsText } from '../../src/report/hazards.js'
import { sampleFile } from './sample.js'

const use = (access: Use['access'], what: string, more: Partial<Use> = {}): Use => ({
  access,
  what,
  outcome: 'allowed',
  call: 'openat',
  operation: 'open',
  by: 'manifest.write[0]',
  test: `${access}s`,
  first: 1,
  last: 2,
  count: 1,
  ...more,
})

function file(
  name: string,
  span: readonly [number, number],
  uses: readonly Use[],
  more: { run?: string; pid?: number } = {},
): ReportFile {
  const base = sampleFile(0)
  if (base.facts === undefined) throw new Error('no facts')
  return {
    ...base,
    file: name,
    facts: { ...base.facts, run: 'one', pid: name.charCodeAt(0), began: span[0], ended: span[1], uses, ...more },
  }
}

const met = (...files: ReportFile[]): string[] =>
  hazardsOf(files).map(({ what, kind, parties }) => `${what} ${kind} ${parties.map((one) => one.file).join()}`)

test.each<[string, readonly ReportFile[], readonly string[]]>([
  [
    'two that write',
    [file('a', [0, 10], [use('write', '/x')]), file('b', [5, 15], [use('write', '/x')])],
    ['/x write-write a,b'],
  ],
  [
    'one writes, one reads',
    [file('a', [0, 10], [use('write', '/x')]), file('b', [5, 15], [use('read', '/x')])],
    ['/x write-read a,b'],
  ],
  ['two that read', [file('a', [0, 10], [use('read', '/x')]), file('b', [5, 15], [use('read', '/x')])], []],
  ['one after the other', [file('a', [0, 10], [use('write', '/x')]), file('b', [10, 15], [use('write', '/x')])], []],
  [
    'in one process',
    [file('a', [0, 10], [use('write', '/x')], { pid: 7 }), file('b', [5, 15], [use('write', '/x')], { pid: 7 })],
    [],
  ],
  [
    'on two machines',
    [file('a', [0, 10], [use('write', '/x')]), file('b', [5, 15], [use('write', '/x')], { run: 'two' })],
    [],
  ],
  [
    'refused',
    [file('a', [0, 10], [use('write', '/x', { outcome: 'denied' })]), file('b', [5, 15], [use('write', '/x')])],
    [],
  ],
  [
    'in their own temporary directories',
    [file('a', [0, 10], [use('write', '<tmp>/x')]), file('b', [5, 15], [use('write', '<tmp>/x')])],
    [],
  ],
  ['a device', [file('a', [0, 10], [use('write', '/dev/null')]), file('b', [5, 15], [use('write', '/dev/null')])], []],
  [
    'what is always granted',
    [
      file('a', [0, 10], [use('write', '/x', { by: 'base' })]),
      file('b', [5, 15], [use('write', '/x', { by: 'base' })]),
    ],
    [],
  ],
  [
    'mkdir -p',
    [
      file('a', [0, 10], [use('write', '/x', { operation: 'create-directory' })]),
      file('b', [5, 15], [use('write', '/x', { operation: 'create-directory' })]),
    ],
    [],
  ],
  [
    'one port',
    [file('a', [0, 10], [use('listen', 'tcp:h:1')]), file('b', [5, 15], [use('listen', 'tcp:h:1')])],
    ['tcp:h:1 listen-listen a,b'],
  ],
  ['any port', [file('a', [0, 10], [use('listen', 'tcp:h:0')]), file('b', [5, 15], [use('listen', 'tcp:h:0')])], []],
  [
    "another's server",
    [file('a', [0, 10], [use('listen', 'unix:/s')]), file('b', [5, 15], [use('connect', 'unix:/s')])],
    ['unix:/s listen-connect a,b'],
  ],
  [
    'one server for both',
    [file('a', [0, 10], [use('connect', 'tcp:db:1')]), file('b', [5, 15], [use('connect', 'tcp:db:1')])],
    [],
  ],
  [
    'only those that overlap',
    [
      file('a', [0, 10], [use('write', '/x')]),
      file('b', [5, 15], [use('read', '/x')]),
      file('c', [20, 30], [use('write', '/x')]),
    ],
    ['/x write-read a,b'],
  ],
  [
    'twice at one place, which are two hazards',
    [
      file('a', [0, 10], [use('write', '/x')]),
      file('b', [5, 15], [use('read', '/x')]),
      file('c', [20, 30], [use('write', '/x', { first: 21 })]),
      file('d', [25, 30], [use('write', '/x', { first: 26 })]),
    ],
    ['/x write-read a,b', '/x write-write c,d'],
  ],
])('%s', (_, files, expected) => expect(met(...files)).toEqual(expected))

test('in whatever order the files come, the same is found, and only pairs that overlap with a change between them', () => {
  const one = fc.record({
    from: fc.nat(20),
    length: fc.integer({ min: 1, max: 10 }),
    access: fc.constantFrom<Use['access']>('read', 'write'),
    pid: fc.nat(5),
  })
  fc.assert(
    fc.property(fc.array(one, { maxLength: 8 }), (given) => {
      const files = given.map(({ from, length, access, pid }, index) =>
        file(String(index), [from, from + length], [use(access, '/x', { first: index, last: index })], { pid }),
      )
      const expected = new Set(
        given.flatMap((a, i) =>
          given.flatMap((b, j) => {
            const overlap = a.from < b.from + b.length && b.from < a.from + a.length
            return i !== j && overlap && a.pid !== b.pid && (a.access === 'write' || b.access === 'write')
              ? [String(i)]
              : []
          }),
        ),
      )
      const found = (all: readonly ReportFile[]): string[] =>
        hazardsOf(all)
          .flatMap(({ parties }) => parties.map((party) => party.file))
          .sort()
      expect(found(files)).toEqual([...expected].sort())
      expect(found(files.toReversed())).toEqual([...expected].sort())
    }),
  )
})

test('a place where hundreds met is one place, and named by a few', () => {
  const many = Array.from({ length: 300 }, (_, index) =>
    file(`f${index}`, [index, 1000], [use('write', '/r/log', { first: index })], { pid: index }),
  )
  const hazards = hazardsOf(many)
  expect(hazards.map(({ parties, more }) => [parties.length, more])).toEqual([[20, 280]])
  expect(hazardsText(hazards, (what) => what.slice(3)))
    .toBe(` seccomp  Test files that ran at the same time met at one place, so a result may change from one run to the next:

  log
    written by f0 > writes
    written by f1 > writes
    written by f2 > writes
    written by f3 > writes
    and by 296 more

  Below <tmp>/ and on port 0 nothing can meet.
`)
})
