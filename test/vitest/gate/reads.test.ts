/** What Vite reads while it makes a module. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { judgeOwnRead, judgeRead } from '../../../src/vitest/gate/judge-read.js'
import { ModuleReads, watchReads, type JudgeRead } from '../../../src/vitest/gate/reads.js'
import { scratch, worker } from './stand-in.js'

watchReads()

const only =
  (...paths: readonly string[]): JudgeRead =>
  (path) =>
    paths.includes(path) ? 'noted' : 'refused'

/** Each of Node's ways to read a file; the named imports of modules that were there before among them. */
const WAYS: { readonly [name: string]: (path: string) => unknown } = {
  readFileSync: (path) => fs.readFileSync(path, 'utf8'),
  openSync: (path) => fs.closeSync(fs.openSync(path, 'r')),
  createReadStream: (path) => void fs.createReadStream(path).on('error', () => undefined),
  readFile: (path) => promisify(fs.readFile)(path, 'utf8'),
  open: (path) =>
    new Promise<void>((resolve, reject) => {
      fs.open(path, (error, fd) => (error === null ? resolve(fs.closeSync(fd)) : reject(error)))
    }),
  'promises.readFile': (path) => fs.promises.readFile(path, 'utf8'),
  'promises.open': async (path) => (await fs.promises.open(path)).close(),
  'a URL': (path) => fs.readFileSync(new URL(`file://${path}`)),
  'a buffer': (path) => fs.readFileSync(Buffer.from(path)),
}

test.each(Object.keys(WAYS))('%s is judged for whoever asked for the module', async (name) => {
  using at = scratch()
  const [granted, secret] = [at.write('granted.txt'), at.write('secret.txt')]
  const reads = new ModuleReads()
  const judge = only(granted)
  reads.ask('module', judge)
  const way = WAYS[name]
  const during = (path: string): Promise<unknown> =>
    reads.during(
      'module',
      () => 'refused',
      async () => way?.(path),
    )
  await expect(during(granted)).resolves.not.toThrow()
  await expect(during(secret)).rejects.toThrow(/EACCES: permission denied, open '.*secret\.txt'/)
  // A transform goes on long after its first await.
  const later = reads.during(
    'module',
    () => 'refused',
    async () => {
      await new Promise((resolve) => setImmediate(resolve))
      return way?.(secret)
    },
  )
  await expect(later).rejects.toThrow(/EACCES/)
  // Nobody asked for this one, and nothing else is watched.
  await expect(
    reads.during(
      'other',
      () => 'allowed',
      async () => way?.(secret),
    ),
  ).resolves.not.toThrow()
  await expect((async () => way?.(secret))()).resolves.not.toThrow()
  expect([...reads.of('module')]).toEqual([granted])
  reads.leave(judge)
  await expect(during(granted)).rejects.toThrow(/EACCES/)
})

test('code, maps and settings of compilers are free; all else needs a grant, and what a test can write is nobody’s', () => {
  using at = scratch()
  const free = ['src/a.ts', 'src/a.css', 'src/a.js.map', 'package.json', 'tsconfig.base.json', '.postcssrc.json']
  for (const path of free) at.write(path)
  for (const path of ['data.json', 'a.svg', '.env', 'out/a.ts', 'granted.txt', 'src/.git/config.js']) at.write(path)
  at.write('out/package.json')
  fs.symlinkSync(at.at('data.json'), at.at('out/tsconfig.json'))
  fs.symlinkSync(at.at('data.json'), at.at('tsconfig.json'))
  execFileSync('mkfifo', [at.at('fifo.ts')])
  const stand = worker(at.root, { read: ['granted.txt'], write: ['out/'] })
  for (const path of [...free, 'missing.json', 'out/package.json'])
    expect(judgeRead(at.at(path), stand), path).toBe('allowed')
  expect(judgeRead(at.at('granted.txt'), stand)).toBe('noted')
  for (const path of [
    'data.json',
    'a.svg',
    '.env',
    'out/a.ts',
    'out/missing',
    'out/tsconfig.json',
    'tsconfig.json',
    'fifo.ts',
    'src/.git/config.js',
  ])
    expect(judgeRead(at.at(path), stand), path).toBe('refused')
  expect(judgeRead('/etc/passwd', stand)).toBe('refused')
  expect(judgeRead('/proc/self/environ', stand)).toBe('refused')
  // What Vitest makes for itself reads what the config says, but nothing of a test's.
  expect(judgeOwnRead(at.at('data.json'), stand.writes)).toBe('allowed')
  expect(judgeOwnRead(at.at('out/a.ts'), stand.writes)).toBe('refused')
  expect(judgeOwnRead(at.at('fifo.ts'), stand.writes)).toBe('refused')
})

test('in audit mode a read is recorded, and let through', () => {
  using at = scratch()
  at.write('a.svg')
  const auditor = worker(at.root, { mode: 'audit' })
  expect(judgeRead(at.at('a.svg'), auditor)).toBe('noted')
  expect(auditor.noted).toHaveLength(1)
})
