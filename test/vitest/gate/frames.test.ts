import { resolve } from 'node:path'
import { parseStacktrace } from '@vitest/utils/source-map'
import { array, assert, constantFrom, property } from 'fast-check'
import { expect, test } from 'vitest'
import { cleanError } from '../../../src/vitest/gate/errors-told.js'
import { withoutFrames } from '../../../src/vitest/gate/frames.js'

const permits = (file: string): boolean => file.startsWith('/ok/')
/** What Vitest reads for a stack: its own parser. */
const read = (stack: string): string[] =>
  parseStacktrace(stack, { ignoreStackEntries: [] }).map(({ file }) => resolve(file))

test('frames of permitted files stay as they are, the others end in words', () => {
  const stack =
    'Error: m 1:2\n    at f (/ok/a.ts:1:2)\n    at async Promise.all (index 0)\n' +
    '    at g (/etc/passwd:3:4)\n    at file:///ok/b.mjs:5:6'
  expect(withoutFrames(stack, permits)).toBe(
    'Error: m 1:2\n    at f (/ok/a.ts:1:2)\n    at async Promise.all (index 0)\n' +
      '    at g (/etc/passwd (line 3, column 4))\n    at file:///ok/b.mjs:5:6',
  )
})

test.each([
  'at f (/no:1:2)',
  'at /no:1:2',
  'at file:///no:1:2',
  'at async f (/no:1:2)',
  'at async /no:1:2',
  'at new F (file:///no:1:2)',
  'at f (/@fs/no:1:2)',
  'at f (http://localhost:3000/no?x:1:2)',
  'at f (/ok/../no:1:2)',
  'at f (/ok/x) (/../../no:1:2)',
  'at f (no:1:2)',
  'at f (/%6eo:1:2)',
  'at f (file:///%2fno:1:2)',
  'at eval (eval at g (/no:1:2), <anonymous>:1:1)',
  'at f (/no?vitest=1234567890123:1:2)',
  'at Object.<anonymous> (/no/[x]/(y).ts:1:2)',
  'at f (http://[:1:2)',
  'at f (http://a/no?import:1:1)',
  'at f (/no?import:1:1)',
  'at f (/ok/x?browserv=1:1:1)',
  'at f (/ok//no:1:1)',
  'at f (file:/no:1:1)',
])('%s names a file that may not be read', (line) => {
  expect(read(withoutFrames(`Error: x\n    ${line}`, permits))).toEqual([])
})

test.each([
  'f@/no:1:2',
  '@/no:1:2',
  'f@http://x/no:1:2',
  'f@/no line 3 > eval:1:2',
  'a@b@/no:1:2',
  '@/@fs/no:1:2',
  'f@file:///no:1:2',
  // Found by the property below: the path of a file below a directory named `file:`.
  '@file:///ok/a:1:2',
  'f@file:///ok/a:1:2',
])('%s, of another engine', (line) => {
  expect(read(withoutFrames(line, permits))).toEqual([])
})

test("with V8 frames gone, the rest is not read as another engine's", () => {
  expect(read(withoutFrames('    at f (/no:1:2)\nx@/etc/passwd:1:2', permits))).toEqual([])
})

const piece = constantFrom(
  'at ',
  '    at ',
  'async ',
  'f',
  ' ',
  '(',
  ')',
  ' (',
  '@',
  ':',
  ':1',
  ':1:2',
  '/ok/a',
  '/no',
  '/../',
  'file://',
  'http://h',
  '/@fs/',
  '%2f',
  '%2e',
  '(eval at ',
  'eval',
  'eval code',
  ' > eval',
  ' line 3',
  ', <anonymous>',
  '?vitest=1234567890123',
  '?import',
  '&import',
  '?browserv=1',
  '?',
  '\u2028',
  '(native)',
  '\n',
  '\r',
  'node:',
  '[native code]',
)

test('whatever a stack is made of, Vitest finds no file in it that may not be read', () => {
  assert(
    property(
      array(piece, { maxLength: 16 }).map((pieces) => pieces.join('')),
      (stack) => {
        let files: string[] = []
        try {
          files = read(withoutFrames(stack, permits))
        } catch (error) {
          // An address that is no URL ends the parsing before anything is read.
          expect(error).toBeInstanceOf(TypeError)
        }
        expect(files.filter((file) => !permits(file))).toEqual([])
      },
    ),
    { numRuns: 20_000 },
  )
})

test('an error is cleaned with its causes, its lists, and whatever else gives frames', () => {
  const stack = 'Error: x\n    at f (/no:1:2)'
  const error = Object.assign(new Error('x'), {
    stack,
    stacks: [{ file: '/no', line: 1, column: 1 }],
    fileName: '/no',
    lineNumber: 1,
    columnNumber: 1,
    sourceURL: '/no',
    cause: { name: 'Error', message: 'y', stack, cause: 'text\n    at f (/no:1:2)' },
    errors: [{ stack }],
  })
  const told = cleanError(error, permits)
  expect(told).toMatchObject({ name: 'Error', message: 'x', cause: { message: 'y' }, errors: [{}] })
  expect(JSON.stringify(told)).not.toMatch(/no:1:2|"file"|fileName|sourceURL/)
  expect(cleanError('thrown\n    at f (/no:1:2)', permits)).not.toMatch(/:1:2/)
  expect(cleanError(undefined, permits)).toBeUndefined()
})

test('a ring of causes is cut, a long chain too', () => {
  const ring: { cause?: unknown; stack: string } = { stack: 'Error' }
  ring.cause = { stack: 'Error', cause: ring }
  let [depth, at]: [number, unknown] = [0, cleanError(ring, permits)]
  while (at instanceof Object && 'cause' in at && depth < 100) [at, depth] = [at.cause, depth + 1]
  expect(depth).toBeLessThan(5)
  let chain: { cause?: unknown; stack: string } = { stack: 'at f (/no:1:2)' }
  for (let i = 0; i < 200; i++) chain = { stack: 'at f (/no:1:2)', cause: chain }
  expect(JSON.stringify(cleanError(chain, permits))).not.toContain(':1:2')
})

test('what no error of Vitest has is not said, and nothing in one can stop the code that prints it', () => {
  const given = {
    name: ['no text'],
    message: { toString: 1 },
    stack: 5,
    diff: {},
    codeFrame: [],
    __vitest_rollup_error__: null,
    cause: { name: 5, message: null },
    toString: 1,
    code: 'E_OWN',
    detail: { toJSON: 1, deep: [1n] },
  }
  expect(cleanError(given, permits)).toStrictEqual({
    code: 'E_OWN',
    detail: { deep: ['1'] },
    cause: {},
  })
  const bundlers = { message: 'm', __vitest_rollup_error__: { plugin: 'p', id: 5, frame: 'f', loc: { line: {} } } }
  expect(cleanError(bundlers, permits)).toStrictEqual({
    message: 'm',
    __vitest_rollup_error__: { plugin: 'p', frame: 'f', loc: {} },
  })
})

test('what is HTML in an error with colours is not so in the page with the results', () => {
  const [html, red] = ['<img src onerror=alert(1)>', '\u001b[31mred']
  const told = (error: object): unknown => cleanError(error, permits)
  expect(told({ name: html, message: red, stack: red })).toEqual({
    name: '‹img src onerror=alert(1)>',
    message: red,
    stack: red,
  })
  expect(told({ name: html, message: html, stack: red })).toEqual({
    name: '‹img src onerror=alert(1)>',
    message: html,
    stack: '[31mred',
  })
  for (const plain of [
    { name: html, message: html, stack: html },
    { name: 'E', message: red, stack: red },
    { message: red },
  ])
    expect(told(plain)).toEqual(plain)
})
