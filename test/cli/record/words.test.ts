import { expect, test } from 'vitest'
import { mergeFiles, withoutLists } from '../../../src/cli/record/merge.js'
import { asJson, asTypeScript } from '../../../src/cli/record/print.js'
import {
  describeAdded,
  describeDangers,
  describeFailure,
  describeOverflow,
  describeUncovered,
  describeUnseen,
  describeUnused,
  howToUse,
} from '../../../src/cli/record/words.js'

test('what was added, and what is missing', () => {
  const found = {
    manifest: { read: ['a', { entry: 'b', why: 'because' }] },
    files: { 'test/**': { listen: ['tcp:127.0.0.1:0'] } },
  }
  expect(describeAdded('m.json', found)).toBe(
    "m.json: added\n  read: 'a'\n  read: 'b'\n  test/**  listen: 'tcp:127.0.0.1:0'\n",
  )
  expect(describeAdded('missing', found)).toBe(
    "The manifest lacks\n  read: 'a'\n  read: 'b'\n  test/**  listen: 'tcp:127.0.0.1:0'\n",
  )
  expect(describeAdded('m.json', { manifest: {}, files: {} })).toBe('m.json: written, with nothing to grant.\n')
  expect(describeAdded('missing', { manifest: {}, files: {} })).toBe('')
})

test('what is dangerous', () => {
  const danger = {
    list: 'read',
    entry: '/etc/shadow',
    why: 'secrets of this machine',
    users: ['a', 'b', 'c', 'd', 'e'],
  } as const
  const line = "  read: '/etc/shadow'  (secrets of this machine; used by a, b, c and 2 more)\n"
  expect(describeDangers([danger], false)).toBe(
    `\nDANGEROUS, and therefore NOT granted (--accept-dangerous would):\n${line}`,
  )
  expect(describeDangers([danger], true)).toBe(`\nDANGEROUS, and granted because of --accept-dangerous:\n${line}`)
  expect(describeDangers([], true)).toBe('')
})

test('what is left', () => {
  expect(describeUncovered(['move /p'])).toBe(
    '\nNo entry can grant this; confined, it will be refused or seem not to be there:\n  move /p\n',
  )
  expect(describeUnseen(['look at /opt'])).toBe(
    '\nNot granted, because only the whole directory could be; confined, it will seem not to be there:\n  look at /opt\n',
  )
  expect(describeUnused([{ list: 'read', source: 'a', at: 'manifest.read[0]' }])).toBe(
    "No test used:\n  'a'  (manifest.read[0])\n",
  )
  expect([describeUncovered([]), describeUnseen([]), describeUnused([])]).toEqual(['', '', ''])
  expect(howToUse('./m.json')).toBe(
    "\nTo enforce it, in the Vitest config:\n  import { seccomp } from 'vitest-pool-seccomp'\n  plugins: [seccomp({ manifest: './m.json' })]\n",
  )
})

const before = {
  $schema: 's',
  manifest: { read: [{ entry: 'b', why: 'by hand' }, 'z'], resources: { db: { connect: 'tcp:127.0.0.1:1' } } },
  files: { 'x.test.ts': { read: ['a', 'own'] } },
}

test('a recording is added to what is there, and takes over what all may use now', () => {
  expect(
    mergeFiles(before, { manifest: { read: ['a', 'b', '/etc/x'] }, files: { 'y.test.ts': { write: ['<tmp>/'] } } }),
  ).toEqual({
    $schema: 's',
    manifest: {
      read: ['a', { entry: 'b', why: 'by hand' }, 'z', '/etc/x'],
      resources: { db: { connect: 'tcp:127.0.0.1:1' } },
    },
    files: { 'x.test.ts': { read: ['own'] }, 'y.test.ts': { write: ['<tmp>/'] } },
  })
})

test('what a fresh recording cannot know is kept', () => {
  expect(withoutLists(before)).toEqual({
    $schema: 's',
    manifest: { resources: { db: { connect: 'tcp:127.0.0.1:1' } } },
  })
})

test('as a file, and as code', () => {
  const file = {
    manifest: {
      read: ['a', "it's"],
      connect: [{ entry: 'unix:/run/docker.sock', why: 'DANGEROUS: whoever talks to it owns this machine' }],
    },
    files: { 'test/a.test.ts': { exec: ['git'] } },
  }
  expect(JSON.parse(asJson(file))).toEqual(file)
  expect(asTypeScript(file)).toBe(`seccomp({
  manifest: {
    read: ['a', 'it\\'s'],
    connect: [
      'unix:/run/docker.sock', // DANGEROUS: whoever talks to it owns this machine
    ],
  },
  files: {
    'test/a.test.ts': {
      exec: ['git'],
    },
  },
})
`)
  expect(asTypeScript({ manifest: { resources: { a: { read: 'x' } } } })).toBe(
    'seccomp({\n  manifest: {\n    resources: {"a":{"read":"x"}},\n  },\n})\n',
  )
})

test('what a recording may lack', () => {
  expect(describeFailure(['vitest', 'run'], 1)).toBe(
    '\nvitest run ended with exit code 1: what failed tests would have used is missing here.\n',
  )
  expect(describeFailure(['vitest', 'run'], 0)).toBe('')
  const files = [
    { file: 'a.test.ts', overflow: true },
    { file: 'b.test.ts', overflow: false },
  ]
  expect(describeOverflow(files)).toBe(
    '\nMore was used than a recording holds, in a.test.ts: record again, which adds the rest.\n',
  )
  expect(describeOverflow(files.slice(1))).toBe('')
})
