/** What Vitest's own process does by name where tests may write. */
import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bytePath } from '../../../src/policy/request.js'
import { guardFiles } from '../../../src/vitest/gate/guarded-files.js'
import { Writes } from '../../../src/vitest/gate/writes.js'
import { scratch, type Scratch } from './stand-in.js'

/** As a module has them that copied them before they were replaced. */
const copied = { ...fs, promises: { ...fs.promises } }

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
  'an array of bytes': (path) => Reflect.apply(fs.writeFileSync, fs, [new Uint8Array(Buffer.from(path)), 'text']),
  'the likeness of a URL': (path) => fs.writeFileSync(likeUrl(path), 'text'),
}

/** Node takes anything with these fields for a URL. */
function likeUrl(path: string): URL {
  const { href, protocol, hostname, pathname } = new URL(`file://${path}`)
  // Node's types know only the class.
  return { href, protocol, hostname, pathname } as URL
}

const source = (path: string): string => path.replace(/\/(?:out|own)\/.*/, '/source.txt')

/** Places where tests may write `out/` from now on. */
function guardedAt(at: Scratch, refused: () => void, dir = 'out'): void {
  const writes = new Writes(at.at('tmp/worker-'))
  const root = bytePath(at.at(dir))
  const rule = { effect: 'grant', access: 'write', shape: 'tree', root, aliases: [], source: 'out/', at: 'x' } as const
  writes.add({ lists: [[rule]] })
  guardFiles(writes, refused)
}

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
    guardedAt(at, () => void refusals++)
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

/** Each of Node's ways to read a file. */
const READS: { readonly [name: string]: (path: string) => unknown } = {
  readFileSync: (path) => fs.readFileSync(path, 'utf8'),
  'readFileSync with options': (path) => fs.readFileSync(path, { encoding: 'utf8', flag: 'r' }),
  'readFileSync as bytes': (path) => fs.readFileSync(path).toString(),
  readFile: (path) => promisify(fs.readFile)(path, 'utf8'),
  'promises.readFile': (path) => fs.promises.readFile(path, { encoding: 'utf8' }),
  openSync: (path) => {
    const fd = fs.openSync(path, 'r')
    const text = fs.readFileSync(fd, 'utf8')
    fs.closeSync(fd)
    return text
  },
  open: async (path) => {
    const fd = await promisify(fs.open)(path, 'r')
    const text = fs.readFileSync(fd, 'utf8')
    fs.closeSync(fd)
    return text
  },
  'promises.open': async (path) => {
    await using file = await fs.promises.open(path)
    return file.readFile('utf8')
  },
  createReadStream: async (path) => (await fs.createReadStream(path, 'utf8').toArray()).join(''),
  copyFileSync: (path) => {
    const copy = `${path.replace(/\/(?:out|own)\/.*/, '')}/copy.txt`
    fs.copyFileSync(path, copy)
    return fs.readFileSync(copy, 'utf8')
  },
  openAsBlob: async (path) => (await fs.openAsBlob(path)).text(),
  'a URL': (path) => fs.readFileSync(new URL(`file://${path}`), 'utf8'),
}

describe.each(Object.keys(READS))('%s', (name) => {
  const read = async (path: string): Promise<unknown> => READS[name]?.(path)

  test('reads what is there, and through links of the user', async () => {
    using at = scratch()
    at.write('secret.txt', 'secret')
    at.write('out/own.txt', 'own')
    fs.symlinkSync(at.at('out'), at.at('own'))
    fs.symlinkSync(at.at('secret.txt'), at.at('out/before.txt'))
    vi.setSystemTime(Date.now() + 60_000)
    const refused = vi.fn()
    guardedAt(at, refused)
    vi.useRealTimers()
    for (const path of ['out/own.txt', 'own/own.txt']) expect(await read(at.at(path)), path).toBe('own')
    expect(await read(at.at('out/before.txt'))).toBe('secret')
    await expect(read(at.at('out/none.txt'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(refused).not.toHaveBeenCalled()
  })

  test('goes through no link of a test', async () => {
    using at = scratch()
    at.write('elsewhere/secret.txt', 'secret')
    fs.mkdirSync(at.at('out'))
    const refused = vi.fn()
    guardedAt(at, refused)
    fs.symlinkSync(at.at('elsewhere/secret.txt'), at.at('out/link.txt'))
    fs.symlinkSync(at.at('elsewhere'), at.at('out/dir'))
    for (const path of ['out/link.txt', 'out/dir/secret.txt', 'out/dir/none.txt'])
      await expect(read(at.at(path)), path).rejects.toThrow(/EACCES: .* a test may have made the link/)
    expect(refused).toHaveBeenCalledTimes(3)
  })
})

/** Each call that makes, moves, removes or changes an entry: in a directory with `victim.txt` and `dir/`. */
const CHANGES: { readonly [name: string]: (dir: string) => unknown } = {
  chmodSync: (dir) => fs.chmodSync(`${dir}/victim.txt`, 0o600),
  chownSync: (dir) => fs.chownSync(`${dir}/victim.txt`, process.getuid?.() ?? 0, process.getgid?.() ?? 0),
  cpSync: (dir) => fs.cpSync(`${dir}/victim.txt`, `${dir}/copied.txt`),
  linkSync: (dir) => fs.linkSync(`${dir}/victim.txt`, `${dir}/linked.txt`),
  lutimesSync: (dir) => fs.lutimesSync(`${dir}/victim.txt`, 1, 1),
  mkdirSync: (dir) => fs.mkdirSync(`${dir}/made`),
  'mkdirSync, recursive': (dir) => fs.mkdirSync(`${dir}/made/more`, { recursive: true }),
  mkdtempSync: (dir) => fs.mkdtempSync(`${dir}/made-`),
  renameSync: (dir) => fs.renameSync(`${dir}/victim.txt`, `${dir}/moved.txt`),
  'renameSync from elsewhere': (dir) => {
    fs.writeFileSync(`${dir.replace(/\/out\/.*/, '')}/new.txt`, '')
    fs.renameSync(`${dir.replace(/\/out\/.*/, '')}/new.txt`, `${dir}/moved.txt`)
  },
  rmSync: (dir) => fs.rmSync(`${dir}/dir`, { recursive: true, force: true }),
  'rmdirSync, recursive': (dir) => Reflect.apply(fs.rmdirSync, fs, [`${dir}/dir`, { recursive: true }]),
  rmdirSync: (dir) => fs.rmdirSync(`${dir}/dir`),
  symlinkSync: (dir) => fs.symlinkSync('anything', `${dir}/made`),
  truncateSync: (dir) => fs.truncateSync(`${dir}/victim.txt`, 1),
  unlinkSync: (dir) => fs.unlinkSync(`${dir}/victim.txt`),
  utimesSync: (dir) => fs.utimesSync(`${dir}/victim.txt`, 1, 1),
  rename: (dir) => promisify(fs.rename)(`${dir}/victim.txt`, `${dir}/moved.txt`),
  'promises.mkdir': (dir) => fs.promises.mkdir(`${dir}/made`),
  'promises.rm': (dir) => fs.promises.rm(`${dir}/victim.txt`),
}

test.each(Object.keys(CHANGES))('%s works where tests may write, and goes through no link of theirs', async (name) => {
  using at = scratch()
  const change = async (dir: string): Promise<unknown> => CHANGES[name]?.(dir)
  for (const dir of ['out/own', 'elsewhere']) {
    at.write(`${dir}/victim.txt`, 'text')
    fs.mkdirSync(at.at(`${dir}/dir`))
  }
  const before = stateOf(at.at('elsewhere'))
  const refused = vi.fn()
  guardedAt(at, refused)
  fs.symlinkSync(at.at('elsewhere'), at.at('out/link'))
  await expect(change(at.at('out/link'))).rejects.toThrow(/EACCES: .* a test may have made the link/)
  expect(stateOf(at.at('elsewhere'))).toEqual(before)
  expect(refused).toHaveBeenCalled()
  const own = stateOf(at.at('out/own'))
  await change(at.at('out/own'))
  if (name !== 'chownSync') expect(stateOf(at.at('out/own'))).not.toEqual(own)
})

function stateOf(dir: string): unknown {
  return fs.readdirSync(dir).map((name) => {
    const { mode, mtimeMs, nlink, size } = fs.lstatSync(`${dir}/${name}`)
    return [name, mode, name === 'dir' ? 0 : mtimeMs, nlink, size]
  })
}

test('a `..` behind a link of a test leads nowhere', () => {
  using at = scratch()
  at.write('elsewhere/victim.txt', 'old')
  fs.mkdirSync(at.at('elsewhere/sub'))
  fs.mkdirSync(at.at('out/own'), { recursive: true })
  guardedAt(at, () => {})
  fs.symlinkSync(at.at('elsewhere/sub'), at.at('out/link'))
  const victim = at.at('out/link') + '/../victim.txt'
  for (const use of [
    () => fs.readFileSync(victim),
    () => fs.writeFileSync(victim, 'new'),
    () => fs.rmSync(victim),
    () => fs.mkdirSync(at.at('out/link') + '/../made/'),
    () => fs.rmdirSync(at.at('out/link') + '/.'),
    () => fs.rmdirSync(at.at('out/link') + '/'),
  ])
    expect(use, String(use)).toThrow(/EACCES: .* a test may have made the link/)
  expect(fs.readdirSync(at.at('elsewhere'))).toEqual(['sub', 'victim.txt'])
  fs.mkdirSync(at.at('out/own') + '/../made/')
  fs.writeFileSync(at.at('out/own') + '/../made/../made/new.txt', 'text')
  expect(fs.readFileSync(at.at('out/made/new.txt'), 'utf8')).toBe('text')
})

test('bytes that are no text name nothing where tests may write', () => {
  using at = scratch()
  fs.mkdirSync(at.at('out'))
  fs.mkdirSync(at.at('own'))
  guardedAt(at, () => {})
  const name = (dir: string): Buffer => Buffer.concat([Buffer.from(at.at(dir)), Buffer.from([0x2f, 0xff])])
  for (const use of [() => fs.writeFileSync(name('out'), ''), () => fs.mkdirSync(name('out'))])
    expect(use).toThrow(/EACCES: .* no text/)
  fs.writeFileSync(name('own'), '')
  fs.rmSync(name('own'))
  expect(fs.readdirSync(at.root).map((dir) => fs.readdirSync(at.at(dir)))).toEqual([[], []])
})

test('a temporary directory has the name that was asked for', () => {
  using at = scratch()
  fs.mkdirSync(at.at('out/in'), { recursive: true })
  guardedAt(at, () => {})
  for (const prefix of ['out/in/t-', 'out/in/']) {
    const made = fs.mkdtempSync(at.root + '/' + prefix)
    expect(made.startsWith(at.root + '/' + prefix)).toBe(true)
    expect(fs.statSync(made).isDirectory()).toBe(true)
  }
})

test('a directory is no file, as ever', () => {
  using at = scratch()
  fs.mkdirSync(at.at('out/dir'), { recursive: true })
  guardedAt(at, () => {})
  expect(() => fs.readFileSync(at.at('out/dir'))).toThrow('EISDIR')
})

test('removing what is not there, with force, is no error', () => {
  using at = scratch()
  fs.mkdirSync(at.at('out'))
  guardedAt(at, () => {})
  fs.rmSync(at.at('out/none'), { force: true })
  fs.rmSync(at.at('out/none/none'), { force: true })
  expect(fs.readdirSync(at.at('out'))).toEqual([])
})

/** Each way to give an entry another name. */
const CARRIERS: { readonly [name: string]: (from: string, to: string) => unknown } = {
  renameSync: (from, to) => fs.renameSync(from, to),
  rename: (from, to) => promisify(fs.rename)(from, to),
  linkSync: (from, to) => fs.linkSync(from, to),
  cpSync: (from, to) => fs.cpSync(from, to, { recursive: true }),
  'cpSync, with a filter': (from, to) => fs.cpSync(from, to, { recursive: true, filter: () => true }),
  cp: (from, to) => Reflect.apply(promisify(fs.cp), fs, [from, to, { recursive: true }]),
  'promises.cp': (from, to) => fs.promises.cp(from, to, { recursive: true }),
}

test.each(Object.keys(CARRIERS))('%s carries no link of a test to where it would be the user’s', async (name) => {
  using at = scratch()
  at.write('elsewhere/victim.txt')
  at.write('out/tree/own.txt', 'own')
  at.write('out/kept/own.txt', 'own')
  fs.mkdirSync(at.at('own'))
  guardedAt(at, () => {})
  fs.symlinkSync(at.at('elsewhere/victim.txt'), at.at('out/tree/link'))
  const carry = async (from: string, to: string): Promise<unknown> => CARRIERS[name]?.(at.at(from), at.at(to))
  await expect(carry('out/tree/link', 'own/link')).rejects.toThrow(/EACCES: .* a test may have made the link/)
  expect(fs.readdirSync(at.at('own'))).toEqual([])
  if (!name.includes('cp')) {
    await carry('out/tree/link', 'out/link')
    expect(fs.lstatSync(at.at('out/link')).isSymbolicLink()).toBe(true)
    await carry('out/link', 'out/tree/again')
  }
  if (name === 'linkSync') return
  await expect(carry('out/tree', 'own/tree')).rejects.toThrow(/EACCES: .* a test may have made the link/)
  expect(fs.existsSync(at.at('own/tree/link'))).toBe(false)
  await carry('out/kept', 'own/kept')
  expect(fs.readFileSync(at.at('own/kept/own.txt'), 'utf8')).toBe('own')
})

/** Each of Node's ways to list a directory, or to ask where a name leads. */
const LOOKUPS: { readonly [name: string]: (dir: string) => unknown } = {
  readdirSync: (dir) => fs.readdirSync(dir),
  readdir: (dir) => promisify(fs.readdir)(dir),
  'promises.readdir': (dir) => fs.promises.readdir(dir, { withFileTypes: true }),
  opendirSync: (dir) => fs.opendirSync(dir).closeSync(),
  opendir: async (dir) => (await promisify(fs.opendir)(dir)).close(),
  'promises.opendir': async (dir) => (await fs.promises.opendir(dir)).close(),
  realpathSync: (dir) => fs.realpathSync(`${dir}/file.txt`),
  'realpathSync.native': (dir) => fs.realpathSync.native(`${dir}/file.txt`),
  realpath: (dir) => promisify(fs.realpath)(`${dir}/file.txt`),
  'realpath.native': (dir) => promisify(fs.realpath.native)(`${dir}/file.txt`),
  'promises.realpath': (dir) => fs.promises.realpath(`${dir}/file.txt`),
  readlinkSync: (dir) => fs.readlinkSync(`${dir}/link`),
  'promises.readlink': (dir) => fs.promises.readlink(`${dir}/link`),
}

test.each(Object.keys(LOOKUPS))('%s goes through no link of a test', async (name) => {
  using at = scratch()
  for (const dir of ['elsewhere', 'out/own', 'own']) {
    at.write(`${dir}/file.txt`)
    fs.symlinkSync(at.at('elsewhere'), at.at(`${dir}/link`))
  }
  vi.setSystemTime(Date.now() + 60_000)
  guardedAt(at, () => {})
  vi.useRealTimers()
  const look = async (dir: string): Promise<unknown> => LOOKUPS[name]?.(at.at(dir))
  for (const dir of ['out/own', 'own', 'own/link', 'out/own/link']) await look(dir)
  guardedAt(at, () => {})
  fs.symlinkSync(at.at('elsewhere'), at.at('out/dir'))
  await expect(look('out/dir')).rejects.toThrow(/EACCES: .* a test may have made the link/)
})

/** Each function below those of Node, called by copies of these. */
const COPIED: { readonly [name: string]: (dir: string) => unknown } = {
  readFileSync: (dir) => copied.readFileSync(`${dir}/file.txt`),
  'readFileSync for text': (dir) => copied.readFileSync(`${dir}/file.txt`, 'utf8'),
  readFile: (dir) => promisify(copied.readFile)(`${dir}/file.txt`),
  'promises.readFile': (dir) => copied.promises.readFile(`${dir}/file.txt`),
  writeFileSync: (dir) => copied.writeFileSync(`${dir}/file.txt`, Buffer.from('text')),
  'writeFileSync for text': (dir) => copied.writeFileSync(`${dir}/file.txt`, 'text'),
  appendFile: (dir) => promisify(copied.appendFile)(`${dir}/file.txt`, 'text'),
  'promises.writeFile': (dir) => copied.promises.writeFile(`${dir}/file.txt`, 'text'),
  copyFileSync: (dir) => copied.copyFileSync(`${dir}/file.txt`, `${dir}/copy.txt`),
  'promises.mkdir': (dir) => copied.promises.mkdir(`${dir}/made/more`, { recursive: true }),
  mkdtemp: (dir) => promisify(copied.mkdtemp)(`${dir}/`),
  chmodSync: (dir) => copied.chmodSync(`${dir}/file.txt`, 0o600),
  renameSync: (dir) => copied.renameSync(`${dir}/file.txt`, `${dir}/moved.txt`),
  linkSync: (dir) => copied.linkSync(`${dir}/file.txt`, `${dir}/linked.txt`),
  symlinkSync: (dir) => copied.symlinkSync('anything', `${dir}/made`),
  unlink: (dir) => promisify(copied.unlink)(`${dir}/file.txt`),
  rmSync: (dir) => copied.rmSync(`${dir}/file.txt`),
  readdirSync: (dir) => copied.readdirSync(dir),
  'readdirSync of all': (dir) => copied.readdirSync(dir.replace(/link$/, ''), { recursive: true }),
}

test.each(Object.keys(COPIED))('a copied %s works, and goes through no link of a test', async (name) => {
  using at = scratch()
  for (const dir of ['elsewhere', 'out/own']) at.write(`${dir}/file.txt`, 'text')
  const before = stateOf(at.at('elsewhere'))
  guardedAt(at, () => {})
  const use = async (dir: string): Promise<unknown> => COPIED[name]?.(at.at(dir))
  await use('out/own')
  fs.symlinkSync(at.at('elsewhere'), at.at('out/link'))
  await expect(use('out/link')).rejects.toThrow(/EACCES: .* a test may have made the link/)
  expect(stateOf(at.at('elsewhere'))).toEqual(before)
})

test('variables of a file go through no link of a test', () => {
  using at = scratch()
  at.write('elsewhere/file.env', 'GUARDED_SECRET=1')
  at.write('out/own.env', 'GUARDED_OWN=own')
  guardedAt(at, () => {})
  fs.symlinkSync(at.at('elsewhere/file.env'), at.at('out/link.env'))
  expect(() => process.loadEnvFile(at.at('out/link.env'))).toThrow(/EACCES: .* a test may have made the link/)
  process.loadEnvFile(at.at('out/own.env'))
  expect(process.env).toMatchObject({ GUARDED_OWN: 'own' })
  delete process.env.GUARDED_OWN
})

test('a tree with a name that is no text may hold a link', () => {
  using at = scratch()
  for (const dir of ['out/tree', 'own']) fs.mkdirSync(at.at(dir), { recursive: true })
  const name = Buffer.concat([Buffer.from(at.at('out/tree')), Buffer.from([0x2f, 0xff])])
  fs.symlinkSync(at.at('own'), name)
  guardedAt(at, () => {})
  expect(() => fs.renameSync(at.at('out/tree'), at.at('own/tree'))).toThrow(/EACCES: .* may have made the link/)
})

test('a tree is removed with what is in it, and links in it are not followed', () => {
  using at = scratch()
  at.write('elsewhere/victim.txt')
  for (const dir of ['project/out/tree/dir', 'project/other']) at.write(`${dir}/file.txt`)
  fs.symlinkSync(at.at('elsewhere'), at.at('project/out/tree/link'))
  fs.writeFileSync(Buffer.concat([Buffer.from(at.at('project/out/tree')), Buffer.from([0x2f, 0xff])]), '')
  guardedAt(at, () => {}, 'project/out')
  expect(() => fs.rmSync(at.at('project/out/tree'))).toThrow('Path is a directory')
  // Tests may write only below it.
  fs.rmSync(at.at('project'), { recursive: true })
  expect(fs.readdirSync(at.root)).toEqual(['elsewhere'])
  expect(fs.readdirSync(at.at('elsewhere'))).toEqual(['victim.txt'])
})

test('elsewhere, links are followed', () => {
  using at = scratch()
  at.write('secret.txt', 'text')
  fs.mkdirSync(at.at('out'))
  fs.symlinkSync(at.at('secret.txt'), at.at('out/link.txt'))
  const fd = fs.openSync(at.at('out/link.txt'), 'r')
  fs.closeSync(fd)
  expect(fs.readFileSync(at.at('out/link.txt'), 'utf8')).toBe('text')
})
