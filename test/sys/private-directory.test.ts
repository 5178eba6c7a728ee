/** A directory that is removed by what it is, not by what it is called. */
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { missing } from '../broker/confined.js'

const DONE = { stderr: '', status: 0 }

describe.skipIf(missing !== undefined)(`a private directory (${missing ?? 'live'})`, () => {
  let scratch: string
  let PrivateDirectory: typeof import('../../src/sys/private-directory.js').PrivateDirectory
  beforeEach(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'private-')))
    ;({ PrivateDirectory } = await import('../../src/sys/private-directory.js'))
  })
  afterEach(() => rmSync(scratch, { recursive: true, force: true }))

  /** Runs code as a user that is not root, to whom the modes of files mean something. */
  const asUser = (code: string): { readonly stderr: string; readonly status: number | null } => {
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
    const module = JSON.stringify(join(import.meta.dirname, '../../dist/sys/private-directory.js'))
    const whole = `import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
      import { PrivateDirectory } from ${module}
      ${code}`
    chmodSync(scratch, 0o777)
    const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', whole], {
      encoding: 'utf8',
      ...user,
    })
    return { stderr, status }
  }

  test('goes with all that is in it: files, links, unreadable and very deep directories', async () => {
    const path = join(scratch, 'own')
    const own = PrivateDirectory.make(path)
    writeFileSync(join(scratch, 'outside'), 'stays')
    mkdirSync(join(scratch, 'tree'))
    writeFileSync(join(scratch, 'tree/file'), 'stays')
    writeFileSync(join(path, 'file'), '')
    symlinkSync(join(scratch, 'outside'), join(path, 'to-file'))
    symlinkSync(join(scratch, 'tree'), join(path, 'to-tree'))
    mkdirSync(join(path, 'closed'), { mode: 0 })
    spawnSync('mkfifo', [join(path, 'fifo')])
    spawnSync('sh', ['-c', 'i=0; while [ $i -lt 200 ]; do mkdir d; cd d; i=$((i+1)); done; touch bottom'], {
      cwd: path,
    })
    await own.remove()
    expect(readdirSync(scratch).sort()).toEqual(['outside', 'tree'])
    expect(readdirSync(join(scratch, 'tree'))).toEqual(['file'])
  })

  test('goes with what a user has made read-only, or has given names of which the removal makes use', async () => {
    const path = join(scratch, 'own')
    const code = `
      const own = PrivateDirectory.make(${JSON.stringify(path)})
      process.chdir(${JSON.stringify(path)})
      for (let n = 0; n < 50; n++) writeFileSync('.removed-' + process.pid + '-' + n, '')
      mkdirSync('d/'.repeat(80), { recursive: true })
      for (let n = 80; n > 0; n--) chmodSync('d/'.repeat(n), 0o500)
      writeFileSync('file', '')
      chmodSync('.', 0o500)
      await own.remove()`
    expect(asUser(code)).toEqual(DONE)
    expect(readdirSync(scratch)).toEqual([])
  })

  test.skipIf(process.getuid?.() !== 0)(
    "that cannot be removed protects no other (as root: with others' files)",
    () => {
      const names = ['own-1', 'own-2', 'own-3', 'own-4']
      for (const name of names) {
        mkdirSync(join(scratch, name))
        chownSync(join(scratch, name), 65_534, 65_534)
      }
      for (const name of names.slice(1, 3)) {
        mkdirSync(join(scratch, name, 'of-root'))
        writeFileSync(join(scratch, name, 'of-root/file'), '')
      }
      expect(asUser(`await PrivateDirectory.removeAbandoned(${JSON.stringify(scratch)}, 'own-')`)).toEqual(DONE)
      expect(readdirSync(scratch).sort()).toEqual(['own-2', 'own-3'])
    },
  )

  test('goes with files and directories whose names are no text', async () => {
    const path = join(scratch, 'own')
    const own = PrivateDirectory.make(path)
    const named = (...bytes: number[]) => Buffer.concat([Buffer.from(`${path}/`), Buffer.from(bytes)])
    const directory = named(0xff, 0xfe)
    mkdirSync(directory)
    for (const file of [named(0x80), Buffer.concat([directory, Buffer.from('/'), Buffer.from([0xc3])])])
      writeFileSync(file, '')
    mkdirSync(named(0xe9), { mode: 0 })
    await own.remove()
    expect(readdirSync(scratch)).toEqual([])
  })

  test('is not led outside by whoever puts something else in its place', async () => {
    const path = join(scratch, 'own')
    const own = PrivateDirectory.make(path)
    writeFileSync(join(path, 'file'), '')
    mkdirSync(join(scratch, 'others'))
    writeFileSync(join(scratch, 'others/file'), 'stays')
    renameSync(path, join(scratch, 'moved'))
    symlinkSync(join(scratch, 'others'), path)
    await own.remove()
    expect(readdirSync(join(scratch, 'others'))).toEqual(['file'])
    // What it was is empty, and not removed: it has a name that somebody else gave it.
    expect(readdirSync(join(scratch, 'moved'))).toEqual([])
  })

  test('a subdirectory that is exchanged for a link while it is removed leads nowhere', async () => {
    mkdirSync(join(scratch, 'others'))
    for (let index = 0; index < 300; index++) writeFileSync(join(scratch, `others/${index}`), '')
    const path = join(scratch, 'own')
    const own = PrivateDirectory.make(path)
    for (let index = 0; index < 300; index++) mkdirSync(join(path, `d${index}`))
    const swap = `const fs = require('node:fs'); process.stdout.write('x')
      for (;;) for (let i = 299; i >= 0; i--) try { fs.rmdirSync('d' + i); fs.symlinkSync(${JSON.stringify(join(scratch, 'others'))}, 'd' + i) } catch {}`
    const racer = spawn(process.execPath, ['-e', swap], { cwd: path, stdio: ['ignore', 'pipe', 'ignore'] })
    await new Promise((resolve) => racer.stdout.once('data', resolve))
    // It may find new links in a directory that it has just emptied.
    await own.remove().catch((error: unknown) => expect(String(error)).toMatch(/ENOTEMPTY|ENOTDIR|ENOENT/))
    racer.kill('SIGKILL')
    expect(readdirSync(join(scratch, 'others'))).toHaveLength(300)
  })

  test('of those that others left, only the ones whose owner is gone, and that are directories, are removed', async () => {
    const alive = PrivateDirectory.make(join(scratch, 'own-alive'))
    mkdirSync(join(scratch, 'own-left'))
    writeFileSync(join(scratch, 'own-left/file'), '')
    writeFileSync(join(scratch, 'own-file'), '')
    symlinkSync(join(scratch, 'other'), join(scratch, 'own-link'))
    mkdirSync(join(scratch, 'other'))
    await PrivateDirectory.removeAbandoned(scratch, 'own-')
    expect(readdirSync(scratch).sort()).toEqual(['other', 'own-alive', 'own-file', 'own-link'])
    await alive.remove()
    expect(existsSync(join(scratch, 'own-alive'))).toBe(false)
  })

  test('what its owner left behind, and holds the lock, is told before', async () => {
    const left = join(scratch, 'own-left')
    const isFree = (): boolean => spawnSync('flock', ['-n', left, 'true']).status === 0
    mkdirSync(left)
    const holder = spawn('flock', ['--no-fork', left, 'sleep', '1000'], { stdio: 'ignore' })
    await expect.poll(isFree).toBe(false)
    await PrivateDirectory.removeAbandoned(scratch, 'own-')
    expect(readdirSync(scratch)).toEqual(['own-left'])
    const before = (name: string): void => {
      expect(name).toBe('own-left')
      holder.kill('SIGKILL')
      while (!isFree());
    }
    await PrivateDirectory.removeAbandoned(scratch, 'own-', before)
    expect(readdirSync(scratch)).toEqual([])
  })

  test('no mode protects one that was left', () => {
    const code = `
      mkdirSync(${JSON.stringify(join(scratch, 'own-left'))}, { mode: 0 })
      await PrivateDirectory.removeAbandoned(${JSON.stringify(scratch)}, 'own-')`
    expect(asUser(code)).toEqual(DONE)
    expect(readdirSync(scratch)).toEqual([])
  })

  test('is made once, where it can be', () => {
    mkdirSync(join(scratch, 'there'))
    expect(() => PrivateDirectory.make(join(scratch, 'there'))).toThrow('EEXIST')
    expect(() => PrivateDirectory.make(join(scratch, 'no/where'))).toThrow('ENOENT')
  })
})
