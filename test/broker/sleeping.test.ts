/** A call that sleeps in the kernel is waited for by its caller alone: no other call of its worker or another's is held up. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { policyData } from '../contracts/rules.js'
import { confine, missing, SOON, within, type Confined } from './confined.js'
import { asBefore, descriptors } from './descriptors.js'
import { cannotHold, holdInode } from './inode-holder.js'

const skip = missing ?? cannotHold()
const LARGE = 16 << 20
/** A worker's own threads: its calls wait in some of them. */
const THREADS = { UV_THREADPOOL_SIZE: '16' }
describe.skipIf(skip !== undefined)(`calls that sleep (${skip ?? 'live'})`, () => {
  let scratch: string
  let first: Confined
  let second: Confined
  const at = (name: string): string => join(scratch, name)
  const calls = async (worker: Confined): Promise<void> => {
    for (let round = 0; round < 20; round++)
      expect(await within(SOON, 'a read', worker.value('readFile', at('elsewhere/f')))).toBe('other')
    await worker.value('start', 'beside', 'rename', at('elsewhere/f'), at('elsewhere/g'))
    expect(await within(SOON, 'a move', worker.value('finish', 'beside'))).toBe('done')
    await worker.value('start', 'beside', 'rename', at('elsewhere/g'), at('elsewhere/f'))
    expect(await within(SOON, 'a move', worker.value('finish', 'beside'))).toBe('done')
  }

  beforeAll(async () => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'sleeping-')))
    const policy = policyData([[`write +${scratch}/`]])
    ;[first, second] = await Promise.all([
      confine({ runtime: 'broker/runtime.mjs', policy, env: THREADS }),
      confine({ runtime: 'broker/runtime.mjs', policy, env: THREADS }),
    ])
  })
  afterAll(async () => {
    for (const { worker, faults } of [first, second]) {
      await within(SOON, 'stop', worker.stop())
      expect(faults).toEqual([])
    }
    rmSync(scratch, { recursive: true, force: true })
  })
  beforeEach(() => {
    for (const name of ['here', 'elsewhere']) {
      rmSync(at(name), { recursive: true, force: true })
      mkdirSync(at(name))
    }
    writeFileSync(at('here/large'), 'x')
    truncateSync(at('here/large'), LARGE)
    writeFileSync(at('here/f'), 'content')
    writeFileSync(at('elsewhere/f'), 'other')
  })

  // Each looks at names that the kernel knows already: a new one would be looked up in the directory that is waited for.
  test.each([
    ['rename', ['here/f', 'here/large'], () => readFileSync(at('here/large'), 'utf8') === 'content'],
    ['rename', ['here/large', 'elsewhere/large'], () => !existsSync(at('here/large'))],
    ['unlink', ['here/large'], () => !existsSync(at('here/large'))],
    ['link', ['here/large', 'here/second'], () => statSync(at('here/large')).nlink === 2],
    ['truncate', ['here/large'], () => statSync(at('here/large')).size === 0],
    ['open', ['here/large', 'w'], () => statSync(at('here/large')).size === 0],
    ['chmod', ['here/large', 0o600], () => (statSync(at('here/large')).mode & 0o777) === 0o600],
    ['chown', ['here/large', 1, 1], () => statSync(at('here/large')).uid === 1],
    ['utimes', ['here/large', 1, 1], () => statSync(at('here/large')).mtimeMs === 1000],
  ] as const)('%s %j', async (call, args, isDone) => {
    const held = await holdInode(at('here/large'))
    try {
      await first.value(
        'start',
        'it',
        call,
        ...args.map((arg) => (typeof arg === 'string' && arg.includes('/') ? at(arg) : arg)),
      )
      if (!args.some((arg) => typeof arg === 'string' && arg.startsWith('elsewhere'))) {
        await calls(first)
        await calls(second)
      } else {
        // The directory that it moves to is its own until then; looking is free.
        for (const worker of [first, second])
          expect(await within(SOON, 'a read', worker.value('readFile', at('elsewhere/f')))).toBe('other')
      }
      expect(isDone()).toBe(false)
    } finally {
      await held.release()
    }
    expect(await within(SOON, 'the call', first.value('finish', 'it'))).toMatch(/^(?:done|open true)$/)
    expect(isDone()).toBe(true)
  })

  test('what changes names in the same directory waits as well, and nobody waits for it', async () => {
    const held = await holdInode(at('here/large'))
    const waiting = [
      ['mkdir', at('here/directory')],
      ['symlink', 'f', at('here/link')],
      ['open', at('here/new'), 'w'],
      ['unlink', at('here/f')],
    ] as const
    try {
      await first.value('start', 'it', 'rename', at('here/large'), at('here/moved'))
      // The second reads of it once the first's broker has begun.
      await calls(first)
      for (const [call, ...args] of waiting) await second.value('start', call, call, ...args)
      await calls(second)
      await calls(first)
      expect(existsSync(at('here/f'))).toBe(true)
    } finally {
      await held.release()
    }
    expect(await within(SOON, 'the rename', first.value('finish', 'it'))).toBe('done')
    for (const [call] of waiting)
      expect(await within(SOON, call, second.value('finish', call))).toBe(call === 'open' ? 'open true' : 'done')
    expect(existsSync(at('here/f'))).toBe(false)
  })

  test('more at once than there are helpers, and nothing is left of them', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `here/${index}`)
    for (const name of names) {
      writeFileSync(at(name), '')
      truncateSync(at(name), LARGE)
    }
    const round = async (): Promise<void> => {
      const held = await Promise.all(names.slice(0, 3).map((name) => holdInode(at(name))))
      for (const name of names) await first.value('start', name, 'chmod', at(name), 0o600)
      await calls(first)
      for (const hold of held) await hold.release()
      for (const name of names) expect(await within(SOON, name, first.value('finish', name))).toBe('done')
    }
    await round()
    const before = descriptors()
    await round()
    await asBefore(before)
  })

  test('a worker that is ended meanwhile leaves nothing', async () => {
    const end = async (): Promise<void> => {
      writeFileSync(at('here/f'), 'content')
      truncateSync(at('here/large'), LARGE)
      const third = await confine({ runtime: 'broker/runtime.mjs', policy: policyData([[`write +${scratch}/`]]) })
      const held = await holdInode(at('here/large'))
      await third.value('start', 'open', 'open', at('here/large'), 'w')
      await third.value('start', 'it', 'rename', at('here/f'), at('here/large'))
      await within(SOON, 'a read', third.value('readFile', at('elsewhere/f')))
      const stopped = third.worker.stop()
      await held.release()
      await within(SOON, 'stop', stopped)
    }
    // Its broker thread and the helpers stay for the next worker.
    await end()
    // A round that comes to two calls at once may need a helper more than those before. A leak would show in each.
    for (let left = 2; ; left--) {
      const before = descriptors()
      await end()
      try {
        await asBefore(before)
        break
      } catch (error) {
        if (left === 0) throw error
      }
    }
    await calls(second)
    await second.value('start', 'again', 'mkdir', at('here/directory'))
    expect(await within(SOON, 'its directory', second.value('finish', 'again'))).toBe('done')
  })
})
