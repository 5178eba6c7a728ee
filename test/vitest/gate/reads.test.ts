/** What Vite reads while it makes a module. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { judgeOwnRead, judgeRead, judgeVitestRead } from '../../../src/vitest/gate/judge-read.js'
import { ModuleReads, watchReads, type JudgeRead, type ReadVerdict } from '../../../src/vitest/gate/reads.js'
import { scratch, worker } from './stand-in.js'

/** As a module has them that copied them before they were replaced. */
const { readFileSync, readdirSync, openSync, promises } = { ...fs }
const { readFile } = { ...promises }
const copiedReadFile = promisify({ ...fs }.readFile)

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
  readdirSync: (path) => fs.readdirSync(path),
  readdir: (path) => promisify(fs.readdir)(path),
  opendirSync: (path) => fs.opendirSync(path).closeSync(),
  'promises.readdir': (path) => fs.promises.readdir(path),
  'promises.opendir': async (path) => (await fs.promises.opendir(path)).close(),
  'a URL': (path) => fs.readFileSync(new URL(`file://${path}`)),
  'a buffer': (path) => fs.readFileSync(Buffer.from(path)),
  'a copied readFileSync': (path) => readFileSync(path),
  'a copied readFileSync for text': (path) => readFileSync(path, 'utf8'),
  'a copied openSync': (path) => fs.closeSync(openSync(path, 'r')),
  'a copied readFile': (path) => copiedReadFile(path, 'utf8'),
  'a copied promises.readFile': (path) => readFile(path, 'utf8'),
  'a copied readdirSync of a dir': (path) => readdirSync(path),
}

test.each(Object.keys(WAYS))('%s is judged for whoever asked for the module', async (name) => {
  using at = scratch()
  const make = (path: string): string => (/dir/.test(name) ? dirname(at.write(`${path}/x`)) : at.write(path))
  const [granted, secret] = [make('granted.txt'), make('secret.txt')]
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
  expect(judgeRead(at.at('out/package.json'), stand)).toEqual({ held: at.at('out/package.json'), as: 'package' })
  expect(judgeRead(at.at('out/tsconfig.json'), worker(at.root, { write: ['out/'] }))).toBe('refused')
  for (const path of [...free, 'missing.json', 'src']) expect(judgeRead(at.at(path), stand), path).toBe('allowed')
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
    expect(judgeRead(at.at(path), stand), path).toBe(path.startsWith('out/') ? 'refused' : 'violation')
  expect(judgeRead('/etc/passwd', stand)).toBe('violation')
  expect(judgeRead('/proc/self/environ', stand)).toBe('violation')
  // What Vitest makes for itself reads what the config says, but nothing of a test's.
  expect(judgeOwnRead(at.at('data.json'), stand.project, stand.writes)).toBe('noted')
  expect(judgeOwnRead(at.at('out/a.ts'), stand.project, stand.writes)).toBe('refused')
  expect(judgeOwnRead(at.at('fifo.ts'), stand.project, stand.writes)).toBe('refused')
})

test('what some policy of the run excludes is noted for those who may read it, and refused to those who may not', () => {
  using at = scratch()
  for (const path of ['src/a.css', 'src/private/a.css']) at.write(path)
  const excluding = worker(at.root, { read: ['src/', '!src/private/'] })
  const free = { ...worker(at.root), writes: excluding.writes }
  expect(judgeRead(at.at('src/private/a.css'), excluding)).toBe('violation')
  expect(judgeRead(at.at('src/private'), excluding)).toBe('violation')
  expect(judgeRead(at.at('src/private/a.css'), free)).toBe('noted')
  expect(judgeOwnRead(at.at('src/private/a.css'), free.project, free.writes)).toBe('noted')
  for (const stand of [excluding, free]) expect(judgeRead(at.at('src/a.css'), stand)).toBe('allowed')
})

test('a module that is made while another is becomes a part of it', () => {
  using at = scratch()
  const granted = at.write('granted.txt')
  const reads = new ModuleReads()
  reads.ask('outer', only(granted))
  const refuse: JudgeRead = () => 'refused'
  reads.during('outer', refuse, () => reads.during('inner', refuse, () => fs.readFileSync(granted)))
  expect([...reads.of('outer')]).toEqual([granted])
  expect([...reads.of('inner')]).toEqual([granted])
  // Who asked for the inner one is judged for it, and the outer one has it all the same.
  reads.ask('asked', only())
  expect(() =>
    reads.during('outer', refuse, () => reads.during('asked', refuse, () => fs.readFileSync(granted))),
  ).toThrow(/EACCES/)
})

test('a module that lacks what nobody may read is told once, and so is the one around it', () => {
  using at = scratch()
  const secret = at.write('secret.txt')
  const reads = new ModuleReads()
  const swallowed =
    (way: () => unknown): (() => void) =>
    () => {
      expect(way).toThrow(/EACCES/)
    }
  const violation: JudgeRead = () => 'violation'
  const read = swallowed(() => fs.readFileSync(secret))
  reads.during('outer', violation, () => reads.during('inner', violation, read))
  expect([reads.takeSpoilt('inner'), reads.takeSpoilt('outer'), reads.takeSpoilt('inner')]).toEqual([
    secret,
    secret,
    undefined,
  ])
  // A test of this run may have put it there: it is no violation, and most compilers do without.
  reads.during('own', () => 'refused', read)
  expect(reads.takeSpoilt('own')).toBeUndefined()
})

test('what a test may replace is read by its real path, or not at all', async () => {
  using at = scratch()
  at.write('out/package.json', '{}')
  const secret = at.write('secret.json', '"secret"')
  const held: JudgeRead = (path) => ({ held: path, as: 'whole' })
  const reads = new ModuleReads()
  const ways = ['readFileSync', 'readFile', 'promises.readFile'] as const
  const read = (path: string, way: string): Promise<unknown> =>
    reads.during('module', held, async () => WAYS[way]?.(path))
  for (const way of ways) expect(String(await read(at.at('out/package.json'), way)), way).toBe('{}')
  // What has become a link since it was judged.
  fs.rmSync(at.at('out/package.json'))
  fs.symlinkSync(secret, at.at('out/package.json'))
  for (const way of ways) await expect(read(at.at('out/package.json'), way), way).rejects.toThrow(/ELOOP/)
  for (const way of ['openSync', 'promises.open', 'open', 'readdirSync'])
    await expect(read(secret, way), way).rejects.toThrow(/EACCES/)
})

test('of settings that a test may have written only those that resolve names are read', () => {
  using at = scratch()
  const stand = worker(at.root, { write: ['out/'] })
  const judge = (name: string): ReadVerdict => judgeRead(at.at(`out/${name}`), stand)
  const resolving = ['package.json', 'tsconfig.json', 'tsconfig.app.json', 'jsconfig.json']
  const others = ['.babelrc', '.babelrc.json', 'babel.config.json', '.postcssrc', '.swcrc', 'browserslist']
  // A test may make it before it is read.
  for (const name of others) expect(judge(name), name).toBe('absent')
  for (const name of [...resolving, ...others]) at.write(`out/${name}`, '{}')
  for (const name of resolving)
    expect(judge(name), name).toEqual({
      held: at.at(`out/${name}`),
      as: name === 'package.json' ? 'package' : 'whole',
    })
  for (const name of others) expect(judge(name), name).toBe('refused')
})

test('nothing is read where nothing was, whatever is there by now', async () => {
  using at = scratch()
  const path = at.write('.babelrc', '{}')
  const reads = new ModuleReads()
  for (const [name, way] of Object.entries(WAYS)) {
    const read = reads.during(
      'module',
      () => 'absent',
      async () => way(path),
    )
    await expect(read, name).rejects.toMatchObject({ code: 'ENOENT' })
  }
})

test('a package.json of a test names modules, and sets nothing for compilers', async () => {
  using at = scratch()
  const path = at.write('package.json', '{ "type": "module", "babel": {}, "exports": { "babel": "./a.js" } }')
  const read = async (way: (path: string) => unknown): Promise<unknown> =>
    new ModuleReads().during(
      'module',
      (of) => ({ held: of, as: 'package' }),
      async () => String(await way(path)),
    )
  const ways = [fs.readFileSync, promisify(fs.readFile), fs.promises.readFile, (of: string) => readFileSync(of, 'utf8')]
  for (const way of ways) await expect(read(way)).resolves.toBe('{"type":"module","exports":{"babel":"./a.js"}}')
  expect(await read((of) => fs.readFileSync(of, 'utf8'))).toBe('{"type":"module","exports":{"babel":"./a.js"}}')
  for (const odd of ['\uFEFF{}', '{', '[]', 'null', '{} // x']) {
    at.write('package.json', odd)
    await expect(read(fs.readFileSync), odd).rejects.toThrow(/EACCES/)
  }
})

test('what Vitest reads for an answer is what is there, where a test may put something else', () => {
  using at = scratch()
  const { project, writes } = worker(at.at('project'), { write: ['out/'] })
  const secret = at.write('secret.txt')
  const own = at.write('project/out/own.ts')
  fs.symlinkSync(secret, at.at('project/out/link.ts'))
  fs.symlinkSync(at.write('project/src/a.ts'), at.at('project/out/inside.ts'))
  fs.symlinkSync(at.root, at.at('project/out/dir'))
  execFileSync('mkfifo', [at.at('project/out/fifo')])
  const judge = (path: string): ReadVerdict => judgeVitestRead(at.at(path), project, writes)
  expect(judge('project/out/own.ts')).toEqual({ held: own, as: 'whole' })
  expect(judge('project/out/inside.ts')).toEqual({ held: at.at('project/src/a.ts'), as: 'whole' })
  for (const path of ['link.ts', 'fifo', 'dir', 'dir/secret.txt'])
    expect(judge(`project/out/${path}`), path).toBe('refused')
  // What the gate has let through is judged there.
  for (const path of ['project/src/a.ts', 'secret.txt', 'project']) expect(judge(path), path).toBe('allowed')
})

test('names are listed where modules may come from, and elsewhere by a grant', () => {
  using at = scratch()
  at.write('outside/secret.txt')
  at.write('project/src/a.ts')
  at.write('project/out/.keep')
  fs.symlinkSync(at.at('outside'), at.at('project/out/linked'))
  const stand = worker(at.at('project'), { write: ['out/'] })
  expect(judgeRead(at.at('project/src'), stand)).toBe('allowed')
  expect(judgeRead(at.at('project/out'), stand)).toBe('allowed')
  expect(stand.noted).toEqual([])
  expect(judgeRead(at.at('outside'), stand)).toBe('violation')
  expect(stand.noted).toMatchObject([{ outcome: 'denied', request: { access: 'list', path: at.at('outside') } }])
  expect(judgeRead(at.at('project/out/linked'), stand)).toBe('refused')
  expect(judgeOwnRead(at.at('outside'), stand.project, stand.writes)).toBe('refused')
  expect(judgeOwnRead(at.at('project/out/linked'), stand.project, stand.writes)).toBe('refused')
})

test('in audit mode a read is recorded, and let through', () => {
  using at = scratch()
  at.write('a.svg')
  const auditor = worker(at.root, { mode: 'audit' })
  expect(judgeRead(at.at('a.svg'), auditor)).toBe('noted')
  expect(auditor.noted).toHaveLength(1)
})

test('a `..` behind a link is judged as the kernel has it', () => {
  using at = scratch()
  at.write('elsewhere/secret.txt')
  fs.mkdirSync(at.at('elsewhere/sub'))
  fs.mkdirSync(at.at('src/sub'), { recursive: true })
  fs.symlinkSync(at.at('elsewhere/sub'), at.at('src/link'))
  const seen: string[] = []
  const reads = new ModuleReads()
  reads.ask('module', (path) => (seen.push(fs.realpathSync.native(path)), 'refused'))
  reads.during('module', only(), () => {
    for (const dir of ['link', 'sub/../link'])
      expect(() => fs.readFileSync(`${at.root}/src/${dir}/../secret.txt`)).toThrow('EACCES')
  })
  expect(seen).toEqual([at.at('elsewhere/secret.txt'), at.at('elsewhere/secret.txt')])
})
