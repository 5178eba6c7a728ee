import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { judgeModule, type ImportVerdict } from '../../../src/vitest/gate/import-verdict.js'
import { refusal, scratch, worker, type Scratch, type Setting } from './stand-in.js'

function judge(at: Scratch, id: string, setting: Setting = {}): string {
  return inWords(judgeModule(id.startsWith('/') ? id : at.at(id), worker(at.root, setting)), at)
}

function inWords(verdict: ImportVerdict, at: Scratch): string {
  if (verdict.by !== 'nobody') return verdict.by === 'gate' ? `gate, ${verdict.as}` : verdict.by
  return 'missing' in verdict ? 'missing' : (refusal(verdict.refused) ?? '').replace(`${at.root}/`, '')
}

test('code and style sheets of the project are imported, anything else by a read grant', () => {
  using at = scratch()
  for (const path of [
    'src/a.ts',
    'src/a.vue',
    'src/a.css',
    'src/data.json',
    'src/a.png',
    '.env.local',
    'src/.git/hooks/x.js',
    'node_modules/p/i.js',
    'node_modules/p/p.json',
  ])
    at.write(path)
  for (const code of ['src/a.ts', 'src/a.vue', 'src/a.css', 'node_modules/p/i.js', 'src/a.ts?t=1'])
    expect(judge(at, code), code).toBe('vite')
  for (const [id, path] of [
    ['src/data.json', 'src/data.json'],
    ['src/a.png', 'src/a.png'],
    ['.env.local?raw', '.env.local'],
    ['src/a.ts?raw', 'src/a.ts'],
    ['src/a.css?inline', 'src/a.css'],
    ['src/.git/hooks/x.js', 'src/.git/hooks/x.js'],
  ] as const) {
    expect(judge(at, id), id).toBe(`read ${path}`)
    expect(judge(at, id, { read: [path] }), id).toBe('vite')
  }
  expect(judge(at, 'node_modules/p/p.json', { base: ['node_modules/'] })).toBe('vite')
  expect(judge(at, 'src/missing.ts')).toBe('vite')
})

test('what the manifest excludes from reading is imported by a grant alone, unless it is a test file or configured', () => {
  using at = scratch()
  for (const path of ['src/a.ts', 'src/private/a.ts', 'src/private/b.ts', 'src/private/a.test.ts']) at.write(path)
  const read = ['src/', '!src/private/']
  expect(judge(at, 'src/a.ts', { read })).toBe('vite')
  expect(judge(at, 'src/private/a.ts', { read })).toBe('read src/private/a.ts')
  expect(judge(at, 'src/private/a.ts', { read, base: ['src/private/a.ts'] })).toBe('vite')
  expect(judge(at, 'src/private/a.ts', { read, mode: 'audit' })).toBe('vite')
  expect(judge(at, 'src/private/a.ts', { read, project: { configured: new Set([at.at('src/private/a.ts')]) } })).toBe(
    'vite',
  )
  expect(judge(at, 'src/private/a.test.ts', { read })).toBe('read src/private/a.test.ts')
  expect(judge(at, 'src/private/a.test.ts', { read, files: ['src/private/a.test.ts'] })).toBe('vite')
  // It says what may not be written.
  expect(judge(at, 'src/a.ts', { write: ['out/', '!src/'] })).toBe('vite')
})

test('a module that some policy excludes is judged for each worker', () => {
  using at = scratch()
  at.write('src/a.ts')
  const [free, other] = [worker(at.root), worker(at.root, { read: ['src/', '!src/a.ts'] })]
  const excluding = { ...other, writes: free.writes, project: free.project }
  const verdict = (of: typeof free): string => inWords(judgeModule(at.at('src/a.ts'), of), at)
  expect(verdict(free)).toBe('vite')
  expect([...free.writes.settled(free.project)]).toEqual([at.at('src/a.ts')])
  // As a gate does when its worker begins.
  free.writes.add({ lists: other.lists })
  expect([verdict(free), verdict(excluding)]).toEqual(['vite', 'read src/a.ts'])
  expect([...free.writes.settled(free.project)]).toEqual([])
})

test('what is compiled from a package needs a grant of its own; a style sheet that is not compiled comes empty', () => {
  using at = scratch()
  const compiled = { compilesStyle: () => true }
  for (const path of [
    'node_modules/p/a.less',
    'node_modules/p/a.css',
    'node_modules/p/a.vue',
    'node_modules/p/a.svelte',
  ]) {
    at.write(path)
    expect(judge(at, path, { base: ['node_modules/'], project: compiled }), path).toBe(`read ${path}`)
    expect(judge(at, path, { read: ['node_modules/p/'], project: compiled }), path).toBe('vite')
  }
  for (const path of ['node_modules/p/a.less', 'node_modules/p/a.css']) {
    expect(judge(at, path, { base: ['node_modules/'] }), path).toBe('gate, style')
    // Inlined, it is compiled whatever the config says.
    expect(judge(at, `${path}?inline`, { base: ['node_modules/'] }), path).toBe(`read ${path}`)
    expect(judge(at, `${path}?raw`, { base: ['node_modules/'] }), path).toBe('vite')
  }
  expect(judge(at, 'node_modules/p/a.vue?vue&type=template&lang.pug', { base: ['node_modules/'] })).toBe(
    'read node_modules/p/a.vue',
  )
})

test("the kernel's files, FIFOs and links to them, whatever is granted", () => {
  using at = scratch()
  execFileSync('mkfifo', [at.at('fifo.ts')])
  symlinkSync('/proc/self/environ', at.at('env.ts'))
  symlinkSync('fifo.ts', at.at('link.ts'))
  const all = { read: ['/'], project: { trees: ['/'] } }
  for (const id of [
    '/proc/self/environ',
    '/proc/self/root/etc/passwd',
    '/sys/kernel/notes',
    '/dev/null',
    '/dev/stdin',
    'env.ts',
  ])
    expect(judge(at, id, all), id).toMatch(/where the kernel answers/)
  for (const id of ['fifo.ts', 'link.ts', 'fifo.ts?raw'])
    expect(judge(at, id, all), id).toMatch(/is not a regular file/)
})

test('a link is judged by what it leads to', () => {
  using at = scratch()
  at.write('.env')
  at.write('src/a.ts')
  symlinkSync('../.env', at.at('src/env.ts'))
  symlinkSync('a.ts', at.at('src/b.ts'))
  symlinkSync('/etc/passwd', at.at('src/c.ts'))
  expect(judge(at, 'src/env.ts')).toBe('read .env')
  expect(judge(at, 'src/b.ts')).toBe('vite')
  expect(judge(at, 'src/c.ts')).toBe('read /etc/passwd')
})

test('what tests may write is loaded by the gate or by the worker, never by Vite', async () => {
  using at = scratch()
  const early = worker(at.root, { write: ['gen/'], project: { compilesStyle: () => true } })
  for (const name of ['a.ts', 'a.mjs', 'a.cjs', 'node_modules/p/a.js', 'a.json', 'a.css', 'a.vue'])
    at.write(`gen/${name}`)
  at.write('.env')
  const judged = (id: string): string => inWords(judgeModule(at.at(id), early), at)
  expect(['a.mjs', 'a.cjs', 'node_modules/p/a.js', 'a.json', 'a.ts?raw'].map((name) => judged(`gen/${name}`))).toEqual([
    'runner',
    'worker',
    'worker',
    'gate, json',
    'gate, raw',
  ])
  for (const id of ['gen/a.ts', 'gen/a.css', 'gen/a.vue', 'gen/a.css?inline'])
    expect(judged(id), id).toMatch(/tests may write .* loads nothing that a test may have written/)
  expect(judged('gen/missing.ts')).toBe('missing')
  symlinkSync('../.env', at.at('gen/link.ts'))
  symlinkSync('/etc/passwd', at.at('gen/link.json'))
  expect([judged('gen/link.ts'), judged('gen/link.json')]).toEqual(['read .env', 'read /etc/passwd'])
  // A way that a test can change is as good as the end of it.
  at.write('src/b.ts')
  symlinkSync('../src', at.at('gen/way'))
  expect(judged('gen/way/b.ts')).toMatch(/tests may write/)
  // Beyond the tick of the clock by which files change.
  await new Promise((resolve) => setTimeout(resolve, 30))
  // Where no test has changed it, Vite gets what the gate has read.
  expect(judge(at, 'gen/a.ts', { write: ['gen/'] })).toBe('gate, script')
  expect(judge(at, 'gen/a.css', { write: ['gen/'] })).toBe('gate, style')
})

test('the test file itself may be open to inline snapshots', () => {
  using at = scratch()
  at.write('test/own.test.ts')
  expect(judge(at, 'test/own.test.ts', { write: ['test/'] })).toBe('gate, script')
  expect(judge(at, 'test/own.test.ts')).toBe('vite')
})

test('audit mode lets through what a grant would allow, and notes it', () => {
  using at = scratch()
  at.write('data.json')
  const auditor = worker(at.root, { mode: 'audit' })
  expect(judgeModule(at.at('data.json'), auditor)).toMatchObject({ by: 'vite' })
  expect(auditor.noted.map(refusal)).toEqual([`read ${at.at('data.json')}`])
})
