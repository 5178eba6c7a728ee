/** What was run in part is never told as if it had been run whole. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { repository } from '../harness/confined.js'

interface Table {
  readonly tableOf: (machines: readonly object[], results: object) => string
}
// A script without types.
const { tableOf } = (await import(pathToFileURL(join(repository, 'scripts/kernels/table.mjs')).href)) as Table

const fine = { isFine: true, verdict: 'ok', isTimeUp: false }
const file = { passed: 3, failed: 0, skipped: 0, wrong: [] }

function row(name: string, jobs: object): string | undefined {
  const machine = { name: '6.12', suite: 'trixie', expect: 'confined' }
  const results = { '6.12': { release: '6.12.1', node: 'v20.20.2', arch: 'x64', jobs } }
  return tableOf([machine], results)
    .split('\n')
    .find((line) => line.startsWith(`| ${name} |`))
    ?.split(' | ')[1]
    ?.replace(/ \|$/, '')
}

const corpus = (all: number, items: object, more: object = {}): string | undefined =>
  row('escape corpus', { escapes: { lines: [], all, items, ...more } })

test('a corpus', () => {
  expect(row('escape corpus', {})).toBe('not run')
  expect(corpus(2, {}, { signal: 'SIGKILL' })).toBe('**no result: SIGKILL**')
  expect(corpus(2, { a: fine, b: fine })).toBe('2 programs, 2 as they should be')
  expect(corpus(3, { a: fine, b: { ...fine, isTimeUp: true } })).toBe(
    '2 of 3 programs run, 2 as they should be (1 until their time was over)',
  )
  const leftOut = { ...fine, isFine: false, verdict: 'left out' }
  expect(corpus(3, { a: fine, b: leftOut, c: fine })).toBe('2 programs, 2 as they should be')
  expect(corpus(3, { a: fine, b: leftOut })).toBe('1 of 2 programs run, 1 as they should be')
  expect(corpus(2, { a: fine, b: { ...fine, isFine: false, verdict: 'ESCAPED' } })).toBe(
    '**2 programs, 1 as they should be**',
  )
})

test('tests, and the list of file operations among them', () => {
  const LIST = 'test/transparency/files.test.ts'
  const tests = (items: object): object => ({ 'kernel tests': { lines: [], all: 2, items } })
  const [near, list] = ['tests near the kernel', 'file operations, the same']
  expect(row(near, tests({ a: file }))).toBe('1 of 2 files run, 3 passed')
  expect(row(near, tests({ a: file, b: { ...file, skipped: 1 } }))).toBe('2 files, 6 passed, 1 skipped')
  expect(row(near, tests({ a: file, b: { ...file, wrong: ['(file): no such module'] } }))).toBe('**2 files, 6 passed**')
  expect(row(list, tests({ a: file }))).toBe('not run')
  expect(row(list, tests({ [LIST]: { ...file, passed: 250 } }))).toBe('248, without Vitest (root)')
  expect(row(list, tests({ [LIST]: { ...file, failed: 1, wrong: ['api: open'] } }))).toBe('**1 wrong**')
  expect(row(list, { project: { found: { wrong: [], operations: 248 } }, ...tests({}) })).toBe('248 (root)')
})
