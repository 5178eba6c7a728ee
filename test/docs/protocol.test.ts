/** docs/protocol.md against the code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Opcode } from '../../src/protocol.js'
import { ErrorCode } from '../../src/protocol/messages.js'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const page = read('docs/protocol.md')

/** The first cells of the table that begins with this head. */
function rowsOf(head: string, after = ''): string[][] {
  const from = page.indexOf(head, page.indexOf(after))
  expect(from, head).toBeGreaterThan(0)
  const [, , ...lines] = (page.slice(from).split('\n\n')[0] ?? '').trim().split('\n')
  return lines.map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
}

const numbered = (rows: string[][]): Record<string, number> =>
  Object.fromEntries(rows.map(([, number, name]) => [name, Number(number)]))
const names = (rows: string[][]): string[] => rows.map(([, name = '']) => name).sort()
const typesIn = (text: string): string[] => [...text.matchAll(/\btype: (?:v\.literal\()?'([\w-]+)'/g)].map(([, type = '']) => type).sort()

test('the opcodes', () => expect(numbered(rowsOf('| | opcode |'))).toEqual(Opcode))

test('the error codes', () => expect(numbered(rowsOf('| code | name |'))).toEqual(ErrorCode))

const RUNNER = '# A runner and its broker process'
const LAUNCHER = '# The launcher and its broker process'

test.each([
  ['a runner', 'src/broker/control.ts', 'export type Notice', '| from the runner |', RUNNER],
  ['the launcher', 'src/broker/run-control.ts', 'export type LauncherNotice', '| from the launcher |', LAUNCHER],
])('the messages of %s and of the broker', (_who, file, notices, asked, after) => {
  const source = read(file)
  const at = source.indexOf(notices)
  expect(names(rowsOf(asked, after))).toEqual(typesIn(source.slice(0, at)))
  expect(names(rowsOf('| from the broker |', after))).toEqual(typesIn(source.slice(at)))
})

const fieldsIn = (path: string, block: RegExp): string[] =>
  [...(block.exec(read(path))?.[1] ?? '').matchAll(/^ +(?:readonly )?(\w+)\??:/gm)].map(([, name = '']) => name)

test.each([
  ['a setup', fieldsIn('src/protocol/messages.ts', /^export interface Setup \{(.*?)^\}/ms), rowsOf('| | opcode |')],
  ['a launch', fieldsIn('src/broker/control.ts', /^const launch = v\.strictObject\(\{(.*?)^\}\)/ms), rowsOf('| from the runner |', RUNNER)],
  ['a run', fieldsIn('src/broker/run-control.ts', /type: 'run'(.*?)^ {4}\}/ms), rowsOf('| from the launcher |', LAUNCHER)],
])('each field of %s', (_what, fields, [row = []]) => {
  expect(fields.length).toBeGreaterThan(3)
  for (const name of fields) expect(row.join(' ')).toMatch(new RegExp(`\\b${name}\\b`))
})
