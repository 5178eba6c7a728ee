/** What may sleep in the kernel is left to another thread: which calls, with what, and what is left of them. */
import {
  chmodSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { openFlags } from '../../src/abi/open-flags.js'
import { RENAME_EXCHANGE } from '../../src/abi/path-flags.js'
import { decide } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import type { DelegatedCall } from '../../src/sys/delegation.js'
import { Delegated, type Performed } from '../../src/syscalls/delegated.js'
import { Fail, failed } from '../../src/syscalls/outcome.js'
import { Place } from '../../src/syscalls/place.js'
import type { Descriptor, Kernel } from '../../src/syscalls/ports.js'
import { must } from '../contracts/kernel.contract.js'
import { named } from '../contracts/named.js'
import { policyOf } from '../contracts/rules.js'
import { hasUserAttributes } from '../harness/kernel.js'

const isLinux = process.platform === 'linux'
const LARGE = 16 << 20
const MIDDLE = 1 << 20

describe.skipIf(!isLinux)('large files (skipped where the system is not Linux)', async () => {
  if (!isLinux) return
  const { LinuxKernel } = await import('../../src/sys/kernel.js')
  const { InodeLocks } = await import('../../src/sys/inode-locks.js')
  const { makeCall } = await import('../../src/sys/delegation.js')
  const { OwnedFd } = await import('../../src/sys/owned-fd.js')
  const O = openFlags(process.arch === 'arm64' ? 'arm64' : 'x64')
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'large-files-')))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  const locks = new InodeLocks()
  /** The helper, as the test wants it. Its calls are made when the test says so. */
  const helper = {
    isUp: true,
    isThere: true,
    hasFailed: false,
    stage: 'not begun' as 'not begun' | 'begun' | 'returned',
    calls: [] as DelegatedCall[],
    over: 0,
    asked: [] as boolean[],
  }
  const makeAll = (): void => {
    for (const call of helper.calls.splice(0)) makeCall(call, new InodeLocks(locks.shared, 7))
  }
  const newKernel = (): InstanceType<typeof LinuxKernel> =>
    new LinuxKernel('shared', 'kernel', locks, (mayStart) => {
      helper.asked.push(mayStart)
      if (!helper.isThere) return undefined
      return {
        get isUp() {
          return helper.isUp
        },
        hasFailed: () => helper.hasFailed,
        make: (call) => helper.calls.push(call),
        stageOf: () => helper.stage,
        over: () => void helper.over++,
      }
    })
  let kernel = newKernel()
  const policy = policyOf([`write +${scratch}/`])
  const at = (name: string): Place => {
    const verdict = decide(policy, {
      kind: 'path',
      access: 'write',
      path: rawPath(join(scratch, name.replace(/\/$/, ''))),
    })
    if (!verdict.allowed) throw new Error(`not granted: ${name}`)
    return new Place(verdict.granted, 0, name.endsWith('/'))
  }
  const path = (name: string): string => join(scratch, name)
  const make = (name: string, size: number): void => {
    writeFileSync(path(name), 'x')
    truncateSync(path(name), size)
  }
  const open = (): number => readdirSync('/proc/self/fd').length
  const underWay = <T>(change: unknown): Delegated<T> => {
    if (change instanceof Delegated) return change as Delegated<T>
    throw new Error(`not left to another thread: ${String(change)}`)
  }
  beforeEach(() => {
    Object.assign(helper, { isUp: true, isThere: true, hasFailed: false, stage: 'not begun', over: 0 })
    helper.calls.length = helper.asked.length = 0
    kernel = newKernel()
    rmSync(scratch, { recursive: true, force: true })
    mkdirSync(scratch)
    mkdirSync(path('d'))
    make('large', LARGE)
    make('small', 1)
  })

  const onFile = (act: (kernel: Kernel, fd: Descriptor) => Performed) => (): Performed => {
    const fd = must(kernel.handle(at('large'), 'keep'))
    const change = act(kernel, fd)
    fd.close()
    return change
  }

  const attributes: readonly [string, () => Performed, () => boolean] = [
    'setxattr, removexattr',
    onFile((k, fd) => k.setxattr(fd, 'user.a', Buffer.from('value'), 0)),
    () => {
      const fd = must(kernel.handle(at('large'), 'keep'))
      // The cast: a size was given.
      const content = Buffer.from(must(kernel.getxattr(fd, 'user.a', 100)) as Uint8Array).toString()
      const removed = underWay(kernel.removexattr(fd, 'user.a'))
      makeAll()
      const isGone = removed.result() === true && failed(kernel.getxattr(fd, 'user.a', 100))
      fd.close()
      return isGone && content === 'value'
    },
  ]

  test.each<readonly [string, () => Performed, () => boolean]>([
    ['unlink', () => kernel.unlink(at('large'), 0), () => !existsSync(path('large'))],
    ['rename of it', () => named(kernel).rename(at('large'), at('new'), 0), () => existsSync(path('new'))],
    [
      'rename to another directory',
      () => named(kernel).rename(at('large'), at('d/n'), 0),
      () => existsSync(path('d/n')),
    ],
    [
      'rename onto it',
      () => named(kernel).rename(at('small'), at('large'), 0),
      () => statSync(path('large')).size === 1,
    ],
    [
      'exchange with it',
      () => named(kernel).rename(at('small'), at('large'), RENAME_EXCHANGE),
      () => statSync(path('small')).size === LARGE,
    ],
    ['link', () => named(kernel).link(at('large'), at('d/second')), () => existsSync(path('d/second'))],
    ['truncate', () => kernel.truncateAt(at('large'), 3), () => statSync(path('large')).size === 3],
    ['truncate by handle', onFile((k, fd) => k.truncate(fd, 3)), () => statSync(path('large')).size === 3],
    ['chmod', onFile((k, fd) => k.chmod(fd, 0o611)), () => (statSync(path('large')).mode & 0o777) === 0o611],
    ['chown', onFile((k, fd) => k.chown(fd, process.getuid?.() ?? 0, 0xffffffff)), () => true],
    [
      'utimens',
      onFile((k, fd) => {
        const times = Buffer.alloc(32)
        times.writeBigInt64LE(5n, 0)
        times.writeBigInt64LE(5n, 16)
        return k.utimens(fd, times)
      }),
      () => statSync(path('large')).mtimeMs === 5000,
    ],
    ...(hasUserAttributes() ? [attributes] : []),
  ])('%s', (_, act, isDone) => {
    const before = open()
    const change = underWay<true>(act())
    expect(change.result()).toBeUndefined()
    if (_ !== 'chown') expect(statSync(path('large'), { throwIfNoEntry: false })?.size).toBe(LARGE)
    makeAll()
    expect(change.result()).toBe(true)
    expect([isDone(), open(), helper.asked[0]]).toEqual([true, before, true])
  })

  test('an errno of such a call is that of the kernel', () => {
    const change = underWay(kernel.unlink(at('large'), 0))
    rmSync(path('large'))
    makeAll()
    expect(change.result()).toBe(Fail.of(Errno.ENOENT))
  })

  test('names stay held until the call is over, and no longer', () => {
    const before = open()
    const change = underWay(named(kernel).rename(at('small'), at('large'), 0))
    const other = new LinuxKernel('shared', 'kernel', new InodeLocks(locks.shared, 8))
    expect([other.hold(at('x'), at('x'), 'none'), other.isBusy(at('x')), other.isBusy(at('d/x'))]).toEqual([
      'taken',
      true,
      false,
    ])
    makeAll()
    const held = other.hold(at('x'), at('x'), 'none')
    expect(failed(held) || held === 'taken').toBe(false)
    if (!failed(held) && held !== 'taken') held[Symbol.dispose]()
    expect([other.isBusy(at('x')), change.result(), open()]).toEqual([false, true, before])
  })

  test('what is small, no file, or has a slash behind it is done at once', () => {
    expect(kernel.unlink(at('small'), 0)).toBe(true)
    expect(kernel.unlink(at('large/'), 0)).toBe(Fail.of(Errno.ENOTDIR))
    expect(kernel.unlink(at('none'), 0)).toBe(Fail.of(Errno.ENOENT))
    expect(named(kernel).rename(at('d'), at('e'), 0)).toBe(true)
    expect([helper.asked, helper.calls]).toEqual([[], []])
  })

  test('a middling one goes to a helper that is there, and starts none', () => {
    make('middle', MIDDLE)
    helper.isThere = false
    expect(kernel.unlink(at('middle'), 0)).toBe(true)
    expect(helper.asked).toEqual([false])
    helper.isThere = true
    make('middle', MIDDLE)
    underWay(kernel.unlink(at('middle'), 0))
    makeAll()
  })

  test('where nobody can make it, it is made here', () => {
    helper.isThere = false
    const before = open()
    expect(named(kernel).rename(at('small'), at('large'), 0)).toBe(true)
    make('large', LARGE)
    expect(onFile((k, fd) => k.chmod(fd, 0o600))()).toBe(true)
    expect(open()).toBe(before)
  })

  test('a helper that does not come up makes nothing, and its calls are made here', () => {
    helper.isUp = false
    const change = underWay(kernel.unlink(at('large'), 0))
    // Nothing will tell, so it has to be asked.
    expect([change.ready, change.result()]).toEqual([undefined, undefined])
    helper.hasFailed = true
    expect([change.result(), existsSync(path('large')), helper.over]).toEqual([true, false, 1])
  })

  test.each(['rename', 'chmod'] as const)(
    'a helper that ends in its call of %s loses it, and what came with it is free',
    (name) => {
      const before = open()
      const change = underWay(
        name === 'rename'
          ? named(kernel).rename(at('large'), at('new'), 0)
          : onFile((own, fd) => own.chmod(fd, 0o600))(),
      )
      expect([change.isLost(), locks.areGiven]).toEqual([false, name === 'rename'])
      Object.assign(helper, { hasFailed: true, stage: 'begun' })
      expect(change.isLost()).toBe(true)
      expect(() => change.result()).toThrow('a thread of the broker ended while it made this call')
      expect([helper.over, locks.areGiven, open()]).toEqual([1, false, before])
    },
  )

  test('a helper that ends after its call gives nothing back twice', () => {
    const change = underWay(named(kernel).rename(at('large'), at('new'), 0))
    Object.assign(helper, { hasFailed: true, stage: 'returned' })
    expect(() => change.result()).toThrow('a thread of the broker ended')
    expect([helper.over, locks.areGiven]).toEqual([1, true])
    makeAll()
    expect(locks.areGiven).toBe(false)
  })

  test('a call whose result nobody wants is lost without a word', () => {
    const change = underWay(named(kernel).rename(at('large'), at('new'), 0))
    Object.assign(helper, { hasFailed: true, stage: 'begun' })
    change.cancel()
    kernel.settle()
    expect([helper.over, locks.areGiven]).toEqual([1, false])
  })

  test('O_TRUNC of a large file gives its descriptor', () => {
    chmodSync(path('large'), 0o640)
    const opened = underWay<Descriptor>(kernel.openToEmpty(at('large'), O.O_WRONLY | O.O_TRUNC | O.O_CREAT))
    expect(statSync(path('large')).size).toBe(LARGE)
    makeAll()
    const fd = opened.result()
    if (!(fd instanceof OwnedFd)) throw new Error('no descriptor')
    const { size, mode } = fstatSync(fd.number)
    expect([size, mode & 0o777]).toEqual([0, 0o640])
    fd.close()
    expect(kernel.openToEmpty(at('small'), O.O_WRONLY | O.O_TRUNC)).toBeUndefined()
    expect(kernel.openToEmpty(at('d'), O.O_RDONLY | O.O_TRUNC)).toBeUndefined()
  })

  test('it makes no file where the large one is gone', () => {
    const opened = underWay<Descriptor>(kernel.openToEmpty(at('large'), O.O_WRONLY | O.O_TRUNC | O.O_CREAT))
    rmSync(path('large'))
    makeAll()
    expect([opened.result(), existsSync(path('large'))]).toEqual([Fail.of(Errno.ENOENT), false])
  })

  test('what nobody waits for any more goes on, and leaves nothing open', () => {
    const before = open()
    const dropped = [
      kernel.openToEmpty(at('large'), O.O_WRONLY | O.O_TRUNC),
      named(kernel).rename(at('small'), at('large'), 0),
    ].map((change) => underWay(change))
    for (const one of dropped) one.cancel()
    makeAll()
    kernel.settle()
    expect([statSync(path('large')).size, open(), helper.over]).toEqual([1, before, 2])
  })

  test('of a file with two names no more is left than of one', () => {
    linkSync(path('large'), path('second'))
    const change = underWay(kernel.unlink(at('second'), 0))
    const fd = openSync(path('large'), 'r')
    makeAll()
    expect([change.result(), fstatSync(fd).nlink]).toEqual([true, 1])
  })
})
