import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bindManifest } from '../../src/policy/bind.js'
import { foldName, foldText, hasAlias, mayBeAlias, mayBeSame, mayBeWithin } from '../../src/policy/fold.js'
import { compilePolicy, decide, wouldRedirectExclusion, wouldRedirectGrant } from '../../src/policy/policy.js'
import { bytePath } from '../../src/policy/request.js'
import { parseOptions } from '../../src/policy/schema.js'
import { law } from '../laws/law.js'

const bytes = (text: string): string => bytePath(text)

describe('names that some file system takes for one another', () => {
  test.each([
    ['.env', '.ENV'],
    ['key.pem', 'KEY.Pem'],
    ['é', 'e\u0301'],
    ['É', 'e\u0301'],
    ['straße', 'STRASSE'],
    ['ſecret', 'secret'],
    ['\u212Aey', 'key'],
    ['σς', 'ΣΣ'],
    ['se\u200Bcret', 'secret'],
    ['se\u00ADcret', 'secret'],
    ['ﬁle', 'file'],
    ['ｓecret', 'secret'],
    ['secret.', 'secret'],
    ['secret . .', 'secret'],
    ['secret:stream', 'secret'],
    ['secret::$INDEX_ALLOCATION', 'secret'],
    ['İ', 'i'],
    ['ı', 'I'],
  ])('%s and %s', (one, other) => {
    expect(foldName(bytes(one))).toBe(foldName(bytes(other)))
  })

  test.each([
    ['a', 'b'],
    ['.env', 'env'],
    ['a.b', 'ab'],
    ['a', 'a.b'],
    [':a', ':b'],
    ['...', '..x'],
  ])('%s and %s are two', (one, other) => {
    expect(foldName(bytes(one))).not.toBe(foldName(bytes(other)))
  })

  test.each(['SECRET~1', 'secret~1', 'SECRE~12', 'ENV~1', 'KEY~1.PEM', 'a~1.', 'SECRET~1:x', 'TE7ZVX~Q', 's:0065cret'])(
    '%s may be a name of anything',
    (name) => expect(mayBeAlias(name)).toBe(true),
  )

  test.each(['file~', '~', '.#file~', 'file.~1~', 'a-long-name~1', 'x', '12:30:00', 'a:b', '~1.long'])(
    '%s is a name of one thing',
    (name) => expect(mayBeAlias(name)).toBe(false),
  )

  const names = fc.oneof(
    fc.string({ unit: 'binary-ascii', maxLength: 6 }).map((name) => name.replaceAll('/', '')),
    fc.string({ unit: fc.constantFrom('.', ' ', ':', 'a', '@'), maxLength: 5 }),
  )
  law('ASCII has a short way, which is the same', { cases: 500 }, [names], (name) =>
    expect(foldName(name)).toBe(foldText(name)),
  )

  test('every character is what it is in any case, composed or not', () => {
    for (let code = 0x20; code < 0x1_f000; code++) {
      // Ideographs and syllables, of which there is one case only.
      if (
        (code >= 0x3400 && code < 0xa000) ||
        (code >= 0xac00 && code < 0xd800) ||
        (code >= 0x1_2000 && code < 0x1_d000)
      )
        continue
      if ((code >= 0xd800 && code < 0xe000) || code === 0x2f) continue
      const char = `x${String.fromCodePoint(code)}x`
      const folded = foldText(char)
      for (const same of [
        char.toLowerCase(),
        char.toUpperCase(),
        char.normalize('NFC'),
        char.normalize('NFD'),
        char.normalize('NFKC'),
      ]) {
        if (!same.includes('/') && foldText(same) !== folded && !same.slice(1).includes(':'))
          throw new Error(`${code.toString(16)}: ${char} and ${same}`)
      }
      if (foldText(folded) !== folded && !folded.includes(':')) throw new Error(`${code.toString(16)}: folded twice`)
    }
  })
})

test('places', () => {
  const path = bytePath
  expect(mayBeSame(path('/a/B'), path('/A/b'))).toBe(true)
  expect(mayBeSame(path('/a/b'), path('/a'))).toBe(false)
  expect(mayBeWithin(path('/A/b'), path('/a'))).toBe(true)
  expect(mayBeWithin(path('/a'), path('/a/b'))).toBe(false)
  expect(mayBeWithin(path('/a~1/x'), path('/secret'))).toBe(true)
  expect(mayBeWithin(path('/a'), path('/'))).toBe(true)
  expect(mayBeWithin(path('/'), path('/a~1'))).toBe(false)
  expect(mayBeSame(path('/'), path('/a~1'))).toBe(false)
  expect(hasAlias('/a/b~1/c')).toBe(true)
})

const context = {
  root: '/w',
  workspace: '/w',
  home: '/home/u',
  searchPath: [],
  lookup: (path: string) => ({ kind: 'missing', real: bytePath(path) }) as const,
}

function policyOf(write: readonly string[]) {
  const { lists, sockets } = bindManifest(parseOptions({ manifest: { write } }).manifest, context)
  return compilePolicy({ lists, sockets, mode: 'enforce' })
}

describe('an exclusion holds whatever it is called', () => {
  const policy = policyOf(['mnt/', '!mnt/secret/', '!mnt/**/.env', '!mnt/keys/*.pem', 'mnt/secret/public/'])
  const may = (access: 'read' | 'write' | 'move', path: string): boolean =>
    decide(policy, { kind: 'path', access, path: bytePath(path) }).allowed

  test.each([
    '/w/mnt/secret/key.pem',
    '/w/mnt/SECRET/key.pem',
    '/w/mnt/Secret',
    '/w/mnt/secret./x',
    '/w/mnt/SECRET~1/x',
    '/w/mnt/secret::$INDEX_ALLOCATION/x',
    '/w/mnt/a/.ENV',
    '/w/mnt/.env',
    '/w/mnt/a/.Env/b',
    '/w/mnt/a/ENV~1',
    '/w/mnt/keys/A.PEM',
    '/w/mnt/Keys/a.pem',
    '/w/mnt/keys/a.pem:x',
    '/w/mnt/SECRET/public/x',
  ])('%s', (path) => {
    expect(may('read', path)).toBe(false)
    expect(may('write', path)).toBe(false)
  })

  test.each([
    '/w/mnt/x',
    '/w/mnt/secrets',
    '/w/mnt/env',
    '/w/mnt/keys/a.pub',
    '/w/mnt/secret/public/x',
    '/w/mnt/file~',
  ])('and %s is nothing of it', (path) => expect(may('write', path)).toBe(true))

  test('a grant is no wider than it is written', () => {
    expect(may('read', '/w/MNT/x')).toBe(false)
    expect(may('read', '/w/mnt~1/x')).toBe(false)
  })

  test('nothing is moved past it, and no link comes to stand in the place of a grant, by another name', () => {
    const open = policyOf(['./', '!mnt/secret/'])
    for (const path of ['/w/mnt', '/w/MNT', '/w/mnt~1'])
      expect([
        path,
        decide(open, { kind: 'path', access: 'move', path: bytePath(path), counterpart: bytePath('/w/x') }).allowed,
      ]).toEqual([path, false])
    expect(wouldRedirectGrant(policy, bytePath('/w/MNT/Secret/PUBLIC'), 'link')).toBe(true)
    expect(wouldRedirectGrant(policy, bytePath('/w/mnt/SECRET~1'), 'directory')).toBe(true)
    expect(wouldRedirectGrant(policy, bytePath('/w/mnt/other'), 'link')).toBe(false)
    expect(wouldRedirectExclusion(policy, bytePath('/w/MNT'), 'tree')).toBe(false)
  })
})

const name = fc.constantFrom('secret', 'a', 'b', '.env', 'é', 'x.key')
/** As a file system that folds names might be asked for the same one. */
const respelled = (text: string, how: number): string =>
  [text, text.toUpperCase(), text.normalize('NFD'), `${text}.`, `${text}:x`, 'Q~1'][how % 6] ?? text

law(
  'what is excluded is excluded by every name of it that a folding directory knows',
  { cases: 3000 },
  [
    fc.array(fc.tuple(name, fc.nat(5)), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('!mnt/secret/', '!mnt/a/b', '!mnt/**/.env', '!mnt/*.key', '!mnt/é/**'),
    fc.constantFrom('read', 'write', 'look'),
  ],
  (names, exclusion, access) => {
    const policy = policyOf(['mnt/', exclusion])
    const asked = (path: string): boolean => decide(policy, { kind: 'path', access, path: bytePath(path) }).allowed
    const plain = `/w/mnt/${names.map(([one]) => one).join('/')}`
    const other = `/w/mnt/${names.map(([one, how]) => respelled(one, how)).join('/')}`
    if (!asked(plain)) expect([other, asked(other)]).toEqual([other, access === 'look' && asked(other)])
  },
)
