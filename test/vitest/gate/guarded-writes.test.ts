/** What Vitest's own process writes where tests may write. */
import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bytePath } from '../../../src/policy/request.js'
import { guardWrites } from '../../../src/vitest/gate/guarded-writes.js'
import { Writes } from '../../../src/vitest/gate/writes.js'
import { scratch, type Scratch } from './stand-in.js'

/** Each of Node's ways to write a file. */
const WAYS: { readonly [name: string]: (path: string) => unknown } = {
  writeFileSync: (path) => fs.writeFileSync(path, 'text', 'utf8'),
  writeFile: (path) => promisify(fs.writeFile)(path, 'text'),
  'writeFile with options': (path) => promisify(fs.writeFile)(path, 'text', { encoding: 'utf8', mode: 0o600 }),
  'promises.writeFile': (path) => fs.promises.writeFile(path, Buffer.from('text')),
  appendFileSync: (path) => fs.appendFileSync(path, 'text'),
  appendFile: (path) => promisify(fs.appendFile)(path, 'text'),
  'promises.appendFile': (path) => fs.promises.appendFile(path, 'text'),
  openSync: (path) => {
    const fd = fs.openSync(path, 'w+')
    fs.writeSync(fd, 'text')
    fs.closeSync(fd)
  },
  open: async (path) => {
    const fd = await promisify(fs.open)(path, 'wx')
    fs.writeSync(fd, 'text')
    fs.closeSync(fd)
  },
  'promises.open': async (path) => {
    await using file = await fs.promises.open(path, 'a')
    await file.writeFile('text')
  },
  createWriteStream: (path) =>
    new Promise<void>((resolve, reject) => {
      fs.createWriteStream(path).on('error', reject).on('close', resolve).end('text')
    }),
  copyFileSync: (path) => fs.copyFileSync(source(path), path),
  copyFile: (path) => promisify(fs.copyFile)(source(path), path),
  'promises.copyFile': (path) => fs.promises.copyFile(source(path), path),
  'a URL': (path) => fs.writeFileSync(new URL(`file://${path}`), 'text'),
  'a buffer': (path) => fs.writeFileSync(Buffer.from(path), 'text'),
}

const source = (path: string): string => path.replace(/\/(?:out|own)\/.*/, '/source.txt')

describe.each(Object.keys(WAYS))('%s', (name) => {
  let at: Scratch
  let refusals = 0
  const way = async (path: string): Promise<unknown> => WAYS[name]?.(path)
  const read = (path: string): string => fs.readFileSync(path, 'utf8')

  beforeEach(() => {
    at = scratch()
    refusals = 0
    at.write('source.txt', 'text')
    at.write('out/there.txt')
    at.write('elsewhere/victim.txt', 'old')
    const writes = new Writes(at.at('tmp/worker-'))
    const root = bytePath(at.at('out'))
    const rule = {
      effect: 'grant',
      access: 'write',
      shape: 'tree',
      root,
      aliases: [],
      source: 'out/',
      at: 'x',
    } as const
    writes.add({ lists: [[rule]] })
    guardWrites(writes, () => void refusals++)
  })
  afterEach(() => at[Symbol.dispose]())

  test('writes where tests may write, and elsewhere', async () => {
    await way(at.at('out/new.txt'))
    expect(read(at.at('out/new.txt'))).toBe('text')
    fs.symlinkSync(at.at('elsewhere'), at.at('own'))
    await way(at.at('own/new.txt'))
    expect(refusals).toBe(0)
  })

  test('goes through no link of a test', async () => {
    fs.symlinkSync(at.at('elsewhere/victim.txt'), at.at('out/link.txt'))
    fs.symlinkSync(at.at('elsewhere/new.txt'), at.at('out/nowhere.txt'))
    fs.symlinkSync(at.at('elsewhere'), at.at('out/dir'))
    for (const path of ['out/link.txt', 'out/nowhere.txt', 'out/dir/victim.txt', 'out/dir/new.txt'])
      await expect(way(at.at(path)), path).rejects.toThrow(/EACCES: .* a test may have made the link/)
    expect(read(at.at('elsewhere/victim.txt'))).toBe('old')
    expect(fs.readdirSync(at.at('elsewhere'))).toEqual(['victim.txt'])
    expect(refusals).toBe(4)
  })

  test('fails as ever where there is no directory', async () => {
    await expect(way(at.at('out/none/new.txt'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test('what is only read is left alone', () => {
  using at = scratch()
  at.write('secret.txt', 'text')
  fs.mkdirSync(at.at('out'))
  fs.symlinkSync(at.at('secret.txt'), at.at('out/link.txt'))
  const fd = fs.openSync(at.at('out/link.txt'), 'r')
  fs.closeSync(fd)
  expect(fs.readFileSync(at.at('out/link.txt'), 'utf8')).toBe('text')
})
