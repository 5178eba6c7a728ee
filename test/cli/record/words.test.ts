import { expect, test } from 'vitest'
import { mergeFiles, withoutLists } from '../../../src/cli/record/merge.js'
import { asJson, asTypeScript } from '../../../src/cli/record/print.js'
import {
  describeAdded,
  describeCheck,
  describeDangers,
  describeFailure,
  describeLeftOut,
  describeOverflow,
  describePorts,
  describeRefused,
  describeTightness,
  describeTrying,
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

test('what a check says, and whether it is content', () => {
  const danger = { list: 'read', entry: '.env', why: 'environment files hold secrets', users: ['a'] } as const
  const whole = { manifest: {}, files: {}, dangers: [] }
  const unused = { list: 'read', source: 'x', at: 'manifest.read[0]' } as const
  expect(describeCheck(whole, [])).toEqual({
    text: '\nThe manifest grants what the tests use, and nothing else.\n',
    isTrue: true,
  })
  expect(describeCheck({ ...whole, dangers: [danger] }, [])).toEqual({
    text: `\nThe manifest grants what the tests use, but for what is dangerous, and nothing else.\n${describeDangers([danger], false)}`,
    isTrue: true,
  })
  expect(describeCheck({ ...whole, dangers: [danger] }, [unused])).toEqual({
    text: `\nNo test used:\n  'x'  (manifest.read[0])\n${describeDangers([danger], false)}`,
    isTrue: false,
  })
  expect(describeCheck({ ...whole, manifest: { read: ['a'] } }, [unused])).toEqual({
    text: "\nNo test used:\n  'x'  (manifest.read[0])\nThe manifest lacks\n  read: 'a'\n",
    isTrue: false,
  })
})

test('what the tests pass without', () => {
  const danger = { list: 'read', entry: '.env', why: 'environment files hold secrets', users: ['a'] } as const
  expect(describeTrying(['.env', '<home>/.npmrc'])).toBe(
    "Once more, to see whether the tests pass without '.env', '<home>/.npmrc' …\n",
  )
  expect(describeRefused([danger])).toBe(
    "\nAsked for, but the tests pass without, so it is refused as if not there (deny):\n  '.env'  (environment files hold secrets; used by a)\n",
  )
  expect(describeRefused([])).toBe('')
})

test('how narrow it is', () => {
  expect(describeTightness({ opened: 21, used: 20 })).toBe(
    '\nOf 21 files of the project that these entries open, 20 were used (95 %).\n',
  )
  expect(describeTightness({ opened: 1, used: 1 })).toBe(
    '\nOf 1 file of the project that these entries open, all were used (100 %).\n',
  )
  expect(describeTightness({ opened: 0, used: 0 })).toBe('')
})

test('an entry and its reason are one line', () => {
  expect(asJson({ manifest: { read: ['a', { entry: 'b', why: 'used by 3 test files' }] } })).toBe(`{
  "manifest": {
    "read": [
      "a",
      { "entry": "b", "why": "used by 3 test files" }
    ]
  }
}
`)
})

test('projects of which nothing is known', () => {
  expect(
    describeLeftOut([
      { project: 'ui', pool: 'browser' },
      { project: 'own', pool: 'threads' },
    ]),
  ).toBe(
    "\nNot recorded, and not confined:\n  the project 'ui' names the pool 'browser' for itself\n  the project 'own' names the pool 'threads' for itself: take that out\n",
  )
  expect(describeLeftOut([])).toBe('')
})

test('what is left', () => {
  expect(describeUncovered(['move /p'])).toBe(
    '\nNo entry can grant this; confined, it will be refused or seem not to be there:\n  move /p\n',
  )
  expect(describeUnseen(['look at /opt'])).toBe(
    '\nOnly looked at elsewhere, and not granted; confined, it will seem not to be there:\n  look at /opt\n',
  )
  expect(describeUnused([{ list: 'read', source: 'a', at: 'manifest.read[0]' }])).toBe(
    "No test used:\n  'a'  (manifest.read[0])\n",
  )
  expect([describeUncovered([]), describeUnseen([]), describeUnused([])]).toEqual(['', '', ''])
  expect(howToUse('./m.json', '')).toBe(
    "\nTo enforce it, in the Vitest config:\n  import { seccomp } from 'vitest-pool-seccomp'\n  plugins: [seccomp({ manifest: './m.json' })]\nFor Vitest itself, with its plugins and reporters: npx vitest-seccomp run --record, then npx vitest-seccomp run\n",
  )
  const ofProject = howToUse('./m.json', 'packages/a')
  expect(ofProject).toContain('in the Vitest config of packages/a/:\n')
  expect(ofProject).toContain('run --root packages/a --record, then npx vitest-seccomp run --root packages/a\n')
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

test('one port of this machine that the system may have chosen', () => {
  const connect = ['tcp:127.0.0.1:5432', 'tcp:[::1]:43211', 'tcp:192.0.2.1:50051', 'tcp:localhost:32768-65535']
  expect(describePorts({ manifest: { connect }, files: { 'a.test.ts': { connect: ['tcp:localhost:50051'] } } })).toBe(
    '\nThe next run may have other ports, if the system chooses them. Then write tcp:localhost:32768-65535 instead:\n' +
      '  tcp:[::1]:43211\n  tcp:localhost:50051\n',
  )
  expect(describePorts({ manifest: { connect: connect.slice(2) }, files: {} })).toBe('')
})
