/** The source maps that modules name: Vite reads what they name, so a worker needs to be allowed it. */
import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { judgeMaps } from '../../../src/vitest/gate/check-maps.js'
import { transformed } from '../../../src/vitest/gate/transformed.js'
import { refusal, scratch, worker, type Scratch, type Setting } from './stand-in.js'

interface MapFields {
  readonly sources?: unknown
  readonly [key: string]: unknown
}

const asIs = (code: string): string => code
const json = (map: MapFields): string => JSON.stringify({ version: 3, names: [], mappings: 'AAAA', ...map })
const inline = (map: MapFields, type = 'application/json'): string =>
  `data:${type};base64,${Buffer.from(json(map)).toString('base64')}`
const module = (comment: string): string => `export const a = 1\n${comment}\n`

function judge(at: Scratch, file: string, setting: Setting = {}): string {
  const verdict = judgeMaps(at.at(file), worker(at.root, setting))
  return verdict.is === 'refused' ? (refusal(verdict.refused) ?? '').replace(`${at.root}/`, '') : verdict.is
}

function judgeMap(at: Scratch, map: MapFields, setting: Setting = {}): string {
  at.write('src/a.js', module(`//# sourceMappingURL=${inline(map)}`))
  return judge(at, 'src/a.js', setting)
}

test('a source needs to be importable or granted', () => {
  using at = scratch()
  at.write('secret.txt')
  at.write('src/real.ts')
  expect(judgeMap(at, { sources: ['real.ts', 'nowhere.ts', null, ''] })).toBe('fine')
  const secret = at.at('secret.txt')
  for (const source of ['../secret.txt', secret, `file://${secret}`, '../secret%2Etxt', '../secret.txt?x'])
    expect(judgeMap(at, { sources: [source] }), source).toBe('read secret.txt')
  expect(judgeMap(at, { sources: ['secret.txt'], sourceRoot: '..' })).toBe('read secret.txt')
  expect(judgeMap(at, { sources: ['secret.txt'], sourceRoot: at.root })).toBe('read secret.txt')
  expect(judgeMap(at, { sections: [{ map: { sources: ['../secret.txt'] } }] })).toBe('read secret.txt')
  expect(judgeMap(at, { sources: ['../secret.txt'] }, { read: ['secret.txt'] })).toBe('fine')
  expect(judgeMap(at, { sources: ['real.ts', '../secret.txt'], sourcesContent: [null, 'own'] })).toBe('fine')
  expect(judgeMap(at, { sources: ['real.ts', '../secret.txt'], sourcesContent: ['own'] })).toBe('read secret.txt')
  expect(judgeMap(at, { sources: ['/etc/passwd'] })).toBe('read /etc/passwd')
  expect(judgeMap(at, { sources: ['webpack://x/../../../etc/passwd'] })).toBe('fine')
})

test('the comment in each of its forms, and the last is not the only one', () => {
  using at = scratch()
  at.write('secret.txt')
  const data = inline({ sources: ['../secret.txt'] })
  const uri = `data:application/json,${encodeURIComponent(json({ sources: ['../secret.txt'] }))}`
  const text = inline({ sources: ['../secret.txt'] }, 'text/json;charset=utf-8')
  for (const comment of [
    `//# sourceMappingURL=${data}`,
    `//@ sourceMappingURL=${data}`,
    `/*# sourceMappingURL=${data} */`,
    `   //#   sourceMappingURL=${text}`,
    `//# sourceMappingURL=${uri}`,
    `//# sourceMappingURL=${data}\n//# sourceMappingURL=${inline({ sources: [] })}`,
  ]) {
    at.write('src/a.js', module(comment))
    expect(judge(at, 'src/a.js'), comment).toBe('read secret.txt')
  }
  at.write('src/a.js', module(`const x = '//# sourceMappingURL=' + name`))
  expect(judge(at, 'src/a.js')).toBe('fine')
})

test('a map beside the code is a file that Vite reads, too', () => {
  using at = scratch()
  at.write('secret.txt')
  at.write('secret.json', '{}')
  for (const [comment, verdict] of [
    ['//# sourceMappingURL=a.js.map', 'read secret.txt'],
    ['/*# sourceMappingURL=a.js.map */', 'read secret.txt'],
    ['//# sourceMappingURL=none.js.map', 'fine'],
    ['//# sourceMappingURL=../secret.json', 'read secret.json'],
    ['//# sourceMappingURL=/etc/passwd', 'read /etc/passwd'],
  ] as const) {
    at.write('src/a.js', module(comment))
    at.write('src/a.js.map', json({ sources: ['../secret.txt'] }))
    expect(judge(at, 'src/a.js'), comment).toBe(verdict)
  }
  at.write('src/a.js', module('//# sourceMappingURL=a.js.map'))
  at.write('src/a.js.map', json({ sources: ['real.ts'] }))
  expect(judge(at, 'src/a.js')).toBe('fine')
  at.write('src/a.js.map', 'no JSON at all, and longer than before')
  expect(judge(at, 'src/a.js')).toBe('fine')
})

test('nothing that blocks, and nothing of the kernel, whatever is granted', () => {
  using at = scratch()
  execFileSync('mkfifo', [at.at('fifo.ts')])
  symlinkSync('/proc/self/environ', at.at('env.ts'))
  const all = { read: ['/'], project: { trees: ['/'] } }
  expect(judgeMap(at, { sources: ['../fifo.ts'] }, all)).toMatch(/not a regular file/)
  expect(judgeMap(at, { sources: ['../env.ts'] }, all)).toMatch(/where the kernel answers/)
  expect(judgeMap(at, { sources: ['/proc/self/environ'] }, all)).toMatch(/where the kernel answers/)
  at.write('src/a.js', module('//# sourceMappingURL=../fifo.ts'))
  expect(judge(at, 'src/a.js', all)).toMatch(/not a regular file/)
})

test('what a test could change meanwhile, or no tool writes, is not left to Vite', () => {
  using at = scratch()
  at.write('gen/a.ts')
  at.write('src/b.ts')
  const generated = { write: ['gen/'] }
  expect(judgeMap(at, { sources: ['../gen/a.ts'] }, generated)).toBe('uncertain')
  expect(judgeMap(at, { sources: ['../gen/none.ts'] }, generated)).toBe('uncertain')
  at.write('src/a.js', module('//# sourceMappingURL=../gen/a.js.map'))
  expect(judge(at, 'src/a.js', generated)).toBe('uncertain')
  // As Vite combines maps, some of these lead to /etc/passwd.
  for (const source of ['C:/../../../etc/passwd', 'virtual:../../b.ts', '/linux/../etc/x', 'b%zz.ts', 'a\\b.ts', 5])
    expect(judgeMap(at, { sources: [source] }), String(source)).toBe('uncertain')
  expect(judgeMap(at, { sources: '/x' })).toBe('uncertain')
  expect(judgeMap(at, { sources: ['b.ts'], sourcesContent: 'text' })).toBe('uncertain')
  expect(judgeMap(at, { sources: ['b.ts'], sourceRoot: 5 })).toBe('uncertain')
})

test("a package's map counts once Vite has made a module of it", () => {
  using at = scratch()
  at.write('secret.txt')
  const comment = (source: string): string => `//# sourceMappingURL=${inline({ sources: [source] })}`
  const file = at.write('node_modules/p/a.js', module(comment('../../secret.txt')))
  expect(judgeMaps(file, worker(at.root))).toMatchObject({ is: 'refused', later: true })
  at.write('node_modules/p/a.js', module(comment('../../../src/missing.ts')))
  expect(judge(at, 'node_modules/p/a.js')).toBe('fine')
})

test('what has not changed is not read again', () => {
  using at = scratch()
  at.write('secret.txt')
  expect(judgeMap(at, { sources: ['../secret.txt'] })).toBe('read secret.txt')
  at.write('src/a.js', 'export const a = 1')
  expect(judge(at, 'src/a.js')).toBe('fine')
  const comment = `//# sourceMappingURL=${inline({ sources: ['../secret.txt'] })}`
  at.write('src/a.js', `${' '.repeat(3 * 1024 * 1024)}\n${module(comment)}`)
  expect(judge(at, 'src/a.js')).toBe('read secret.txt')
})

test("a file of Vitest's cache comes as its text", () => {
  using at = scratch()
  const four = at.write('four', 'code\n//# sourceMappingURL=x')
  const five = at.write('five', 'code\n//# vitestSourceMap={"a":1}')
  const rest = { id: '/a', file: '/a', url: '/a', invalidate: false }
  expect(transformed({ cached: true, tmp: four, ...rest }, asIs).result).toEqual({
    code: 'code\n//# sourceMappingURL=x',
    ...rest,
  })
  expect(transformed({ cached: true, tmp: five, ...rest }, asIs).result).toEqual({
    code: 'code',
    sourceMap: '{"a":1}',
    ...rest,
  })
  expect(transformed({ externalize: 'file:///a' }, asIs).result).toEqual({ externalize: 'file:///a' })
  expect(() => transformed({ cached: true, tmp: at.at('gone') }, asIs)).toThrow(/ENOENT/)
})
