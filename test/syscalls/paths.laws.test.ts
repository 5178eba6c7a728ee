/** However a path is spelled, it is what it means that is decided on, and that is what a naive model says. */
import { posix } from 'node:path'
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { openFlags } from '../../src/abi/open-flags.js'
import { rawPath } from '../../src/policy/request.js'
import { directory, rules, spelling, tree } from '../arbitraries/trees.js'
import type { Sketch } from '../contracts/fake-files.js'
import { rule } from '../contracts/rules.js'
import { law } from '../laws/law.js'
import { naivelyAllowed } from '../policy/naive-model.js'
import { House } from './house.js'
import { meaningOf, type Meaning } from './naive-paths.js'

const O = openFlags('x64')

function allows(lists: Lists, access: 'look' | 'list' | 'read' | 'content' | 'write', path: string): boolean {
  return naivelyAllowed(
    lists.map((list) => list.map(rule)),
    { kind: 'path', access, path: rawPath(path) },
  )
}

/** A working directory is a directory, and is named without links. */
function startIn(files: Sketch, directory: string): string {
  const meaning = meaningOf(files, directory, '/', 'keep')
  return meaning.is === 'there' && meaning.kind === 'directory' && meaning.path === directory ? directory : '/'
}

type Lists = readonly (readonly string[])[]

/** What a path means to who may look up names in shown directories only. */
function shownMeaning(files: Sketch, lists: Lists, text: string, cwd: string, last: 'follow' | 'keep'): Meaning {
  return meaningOf(files, text, cwd, last, (directory) => allows(lists, 'look', directory))
}

/** Not a name is looked up in a directory that is not shown. */
function asksOnlyWhatIsShown({ kernel }: House, lists: Lists): void {
  for (const path of kernel.asked)
    expect([path, path === '/' || allows(lists, 'look', posix.dirname(path))]).toEqual([path, true])
}

/** The errnos that an answer may have where the way does not end anywhere: how far it went may be hidden. */
function lost(meaning: Extract<Meaning, { is: 'wrong' }>): readonly string[] {
  return [meaning.errno, 'ENOENT', 'EACCES']
}

law(
  'a path is opened if, and only if, what it means is granted, however it is spelled',
  { cases: 3000 },
  [tree, rules, spelling, directory, fc.constantFrom<'read' | 'content'>('read', 'content')],
  (files, lists, text, wish, access) => {
    const cwd = startIn(files, wish)
    const house = new House({ files, rules: lists, cwd })
    const meaning = shownMeaning(files, lists, text, cwd, 'follow')
    const answer = house.call('open', text, access === 'read' ? O.O_RDONLY : O.O_WRONLY)
    asksOnlyWhatIsShown(house, lists)
    if (meaning.is === 'unseen') {
      expect(house.violations).toHaveLength(1)
      return expect(answer).toBe('EACCES')
    }
    if (meaning.is === 'wrong') return expect(lost(meaning)).toContain(answer)
    if (meaning.is === 'nothing') return expect(answer).toBe('ENOENT')
    const enough = access === 'read' && meaning.kind === 'directory' ? 'list' : access
    if (!allows(lists, enough, meaning.path)) return expect(answer).toBe('EACCES')
    expect(answer).toBe(meaning.kind === 'directory' && access === 'content' ? 'EISDIR' : `fd ${meaning.path}`)
  },
)

law(
  'a path is looked at if, and only if, what it means is visible, however it is spelled',
  { cases: 2000 },
  [tree, rules, spelling, directory, fc.constantFrom('follow', 'keep')],
  (files, lists, text, wish, last) => {
    const cwd = startIn(files, wish)
    const house = new House({ files, rules: lists, cwd })
    const meaning = shownMeaning(files, lists, text, cwd, last)
    const answer = house.call(last === 'follow' ? 'stat' : 'lstat', text, new Uint8Array(144))
    asksOnlyWhatIsShown(house, lists)
    expect(house.violations).toEqual([])
    if (meaning.is === 'unseen') return expect(answer).toBe('ENOENT')
    if (meaning.is === 'wrong') return expect(lost(meaning)).toContain(answer)
    expect(answer).toBe(meaning.is === 'there' && allows(lists, 'look', meaning.path) ? '0' : 'ENOENT')
  },
)

law(
  'what is made, stands where the path means, and only with a grant',
  { cases: 2000 },
  [tree, rules, spelling, directory],
  (files, lists, text, wish) => {
    fc.pre(!/(?:^|\/)\.{0,2}$/.test(text))
    const cwd = startIn(files, wish)
    const house = new House({ files, rules: lists, cwd })
    const before = house.kernel.files.snapshot()
    const meaning = shownMeaning(files, lists, text, cwd, 'keep')
    const answer = house.call('mkdir', text, 0o755)
    asksOnlyWhatIsShown(house, lists)
    const after = house.kernel.files.snapshot()
    if (meaning.is === 'nothing' && allows(lists, 'write', meaning.path)) {
      expect([answer, Object.keys(after).filter((path) => !(path in before))]).toEqual(['0', [meaning.path]])
    } else {
      expect(answer).toMatch(/^E[A-Z]+$/)
      expect(after).toEqual(before)
    }
  },
)
