import { describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../src/abi/path-flags.js'
import { RLIMIT_CORE, RLIMIT_LOCKS } from '../../src/abi/rlimit.js'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { compilePolicy } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import { Fail } from '../../src/syscalls/outcome.js'
import { rowsFor } from '../../src/syscalls/table.js'
import { Inode, type Sketch } from '../contracts/fake-files.js'
import { policyData } from '../contracts/rules.js'
import { House, type HouseOptions, type Register } from './house.js'
import { scene } from './scene.js'
import { words } from './templates.js'

const KIN = 100
const CHILD = 120
const PARENT = 1

describe('signals and questions about processes', () => {
  test.each<SyscallName>([
    'tkill',
    'rt_sigqueueinfo',
    'prlimit64',
    'sched_getaffinity',
    'sched_getattr',
    'getpgid',
    'getsid',
  ])('%s reaches the own tree only, never a group', (name) => {
    const house = scene()
    house.target.kin.add(CHILD)
    expect([KIN, CHILD, PARENT, 99_999].map((pid) => house.call(name, pid, 9))).toEqual([
      'continue',
      'continue',
      'EPERM',
      'EPERM',
    ])
    expect(house.violations).toHaveLength(2)
    // What is no number of a process: the kernel's own errno, and nothing to tell.
    for (const pid of [0, -1, -KIN, 2 ** 31]) expect(house.call(name, pid, 9)).toMatch(/^E(?:SRCH|INVAL)$/)
    expect(house.violations).toHaveLength(2)
  })

  test.each<[SyscallName, Register[]]>([
    ['prlimit64', [12, 0x1000]],
    ['prlimit64', [12, 0x1_0000_0000n]],
    ['sched_setaffinity', [8, 0x1000]],
    ['sched_setscheduler', [3, 0x1000]],
    ['sched_setparam', [0x1000]],
    ['sched_setattr', [0x1000, 0]],
  ])('%s sets what is of the caller: by then another number of the tree may be a stranger’s', (name, more) => {
    const house = scene()
    house.target.kin.add(CHILD)
    house.target.gone.add(130)
    expect([KIN, CHILD, 130, PARENT].map((pid) => house.call(name, pid, ...more))).toEqual([
      'continue',
      'EPERM',
      'ESRCH',
      'EPERM',
    ])
    expect(house.recorded).toEqual([
      'forbidden sets something of another process or thread by its number',
      expect.stringMatching(/^forbidden reaches process 1,/),
    ])
    for (const pid of [0, -1, -KIN, 2 ** 31]) expect(house.call(name, pid, ...more)).toMatch(/^E(?:SRCH|INVAL)$/)
  })

  test('nobody changes the limit that tells whose process it is', () => {
    const house = scene()
    house.target.kin.add(CHILD)
    expect([0, KIN, CHILD].map((pid) => house.call('prlimit64', pid, RLIMIT_LOCKS, 0x1000))).toEqual(
      Array(3).fill('EPERM'),
    )
    expect(house.call('setrlimit', RLIMIT_LOCKS, 0x1000)).toBe('EPERM')
    expect(house.recorded).toEqual(Array(4).fill('forbidden sets the limit that tells whose process it is'))
    expect([0, KIN].map((pid) => house.call('prlimit64', pid, RLIMIT_LOCKS, 0))).toEqual(['continue', 'continue'])
    expect([16, -1].map((resource) => house.call('setrlimit', resource, 0x1000))).toEqual(['EINVAL', 'EINVAL'])
  })

  test('the size of a core dump stays as it is, and seems to be lowered', () => {
    const house = scene()
    house.target.kin.add(CHILD)
    const old = house.target.put(Buffer.alloc(16))
    const set = (limit: number, most: number, pid = 0): string =>
      house.call('prlimit64', pid, RLIMIT_CORE, words(limit, most), old)
    expect([set(0, 0), set(0, 1), set(1, 1, KIN)]).toEqual(['0', '0', '0'])
    expect(house.target.readBytes(old, 16)).toEqual(Uint8Array.from(words(1, 1)))
    expect([set(1, 0), set(0, 2), set(0, 0, CHILD)]).toEqual(['EINVAL', 'EPERM', 'EPERM'])
    const plain = [words(0, 0), words(2, 2), 0].map((limit) => house.call('setrlimit', RLIMIT_CORE, limit))
    expect(plain).toEqual(['0', 'EPERM', 'EFAULT'])
    expect(house.call('prlimit64', 0, RLIMIT_CORE, 0, old)).toBe('continue')
  })

  test('kill reaches the own tree, and a group whose members are all of it; who is gone is ESRCH', () => {
    const house = scene()
    house.target.kin.add(CHILD)
    house.target.gone.add(130)
    const answers = [KIN, CHILD, PARENT, 99_999, -1, -KIN, -PARENT, 2 ** 31, 130, -130].map((pid) =>
      house.call('kill', pid, 9),
    )
    expect(answers).toEqual([
      'continue',
      'continue',
      'EPERM',
      'EPERM',
      'EPERM',
      'continue',
      'EPERM',
      'EPERM',
      'ESRCH',
      'ESRCH',
    ])
    expect(house.violations).toHaveLength(5)
  })

  describe.each<[string, { readonly scopesSignals?: boolean; readonly tid?: number; readonly isReaped?: boolean }]>([
    ['where the kernel does not keep signals within the worker', { scopesSignals: false }],
    ['in a thread that may be older than the domain of the worker', { tid: 101 }],
    ['in a process that has the number of a worker which is reaped', { isReaped: true }],
  ])('%s', (_, { scopesSignals = true, tid = KIN, isReaped = false }) => {
    const unscoped = () => {
      const house = scene({ tid })
      house.kernel.scopesSignals = scopesSignals
      house.target.isReaped = isReaped
      house.target.kin.add(CHILD)
      return house
    }
    const SENT = 'anon_inode:[pidfd] 9'

    test('the broker sends them, but for those to the calling process', () => {
      const house = unscoped()
      const info = Buffer.alloc(128)
      expect([
        house.call('kill', KIN, 9),
        house.call('tgkill', KIN, 101, 9),
        house.call('kill', CHILD, 9),
        house.call('tgkill', CHILD, CHILD, 9),
        house.call('tkill', CHILD, 9),
        house.call('rt_sigqueueinfo', CHILD, 9, info),
        house.call('rt_tgsigqueueinfo', CHILD, CHILD, 9, info),
      ]).toEqual(['continue', 'continue', '0', '0', '0', '0', '0'])
      expect(house.kernel.signalled).toEqual([SENT, SENT, SENT, SENT, SENT])
      expect(house.violations).toEqual([])
    })

    test('and to nobody else, whoever has the number', () => {
      const house = unscoped()
      house.kernel.ended.add(130)
      house.target.kin.add(130)
      house.target.gone.add(131)
      expect([
        house.call('kill', PARENT, 9),
        house.call('kill', 130, 9),
        house.call('kill', 131, 9),
        house.call('tgkill', PARENT, PARENT, 9),
        house.call('tkill', PARENT, 9),
      ]).toEqual(['EPERM', 'ESRCH', 'ESRCH', 'EPERM', 'EPERM'])
      expect(house.kernel.signalled).toEqual([])
      expect(house.violations).toHaveLength(3)
    })

    test('a group gets it member by member, the caller last', () => {
      const house = unscoped()
      house.target.members.set(CHILD, [CHILD, KIN, 121])
      house.target.kin.add(121)
      expect(house.call('kill', -CHILD, 9)).toBe('0')
      expect(house.kernel.signalled).toEqual([SENT, SENT, SENT])
      house.target.members.set(CHILD, [])
      expect(house.call('kill', -CHILD, 9)).toBe('ESRCH')
      expect(house.call('kill', -PARENT, 9)).toBe('EPERM')
      expect(house.kernel.signalled).toHaveLength(3)
    })

    test('before pidfds of threads, those of the calling process alone', () => {
      const house = unscoped()
      house.kernel.namesThreads = false
      expect([house.call('tkill', 101, 9), house.call('tgkill', CHILD, 121, 9)]).toEqual(['0', '0'])
      expect(house.kernel.signalled).toEqual([`thread 101 of ${KIN} 9`, `thread 121 of ${KIN} 9`])
    })
  })

  test('a group is joined if it is new or of the own tree', () => {
    const house = scene()
    house.target.kin.add(CHILD)
    house.target.gone.add(130)
    const answers = [
      [0, 0],
      [0, KIN],
      [0, CHILD],
      [CHILD, CHILD],
      [0, PARENT],
      [CHILD, PARENT],
      [PARENT, 0],
      [0, 99_999],
      [0, 130],
    ].map(([pid = 0, group = 0]) => house.call('setpgid', pid, group))
    expect(answers).toEqual([
      'continue',
      'continue',
      'continue',
      'continue',
      'EPERM',
      'EPERM',
      'EPERM',
      'EPERM',
      'EPERM',
    ])
  })

  test('kill of everyone is refused, whoever that is', () => {
    const house = scene()
    house.target.kin.add(1)
    expect(house.call('kill', -1, 9)).toBe('EPERM')
  })

  test('the upper half of the register does not make another process of it', () => {
    expect(scene().call('kill', 0x1_0000_0001n, 9)).toBe('EPERM')
    expect(scene().call('kill', 0x1_0000_0064n, 9)).toBe('continue')
  })

  test.each<[SyscallName, number]>([
    ['setpriority', 0],
    ['ioprio_set', 1],
  ])('%s sets that of the caller, or of its group as whatever that is by then', (name, processes) => {
    const house = scene()
    house.target.kin.add(CHILD)
    const [process, group] = [processes, processes + 1]
    expect([KIN, CHILD, PARENT, -1].map((who) => house.call(name, process, who))).toEqual([
      'continue',
      'EPERM',
      'EPERM',
      'ESRCH',
    ])
    expect([0, KIN, PARENT, -1].map((who) => house.call(name, group, who))).toEqual([
      'continue',
      'EPERM',
      'EPERM',
      'ESRCH',
    ])
    expect(house.call(name, processes + 2, KIN)).toBe('EPERM')
    expect(house.call(name, processes + 3, KIN)).toBe('EINVAL')
  })

  test.each<[SyscallName, number]>([
    ['getpriority', 0],
    ['ioprio_get', 1],
  ])('%s: a process or a group of the own tree, no user', (name, processes) => {
    const house = scene()
    for (const which of [processes, processes + 1]) {
      expect(house.call(name, which, KIN)).toBe('continue')
      expect(house.call(name, which, PARENT)).toBe('EPERM')
      expect(house.call(name, which, -1)).toBe('ESRCH')
    }
    expect(house.call(name, processes + 2, KIN)).toBe('EPERM')
    expect(house.call(name, processes + 3, KIN)).toBe('EINVAL')
  })

  test('a pidfd is one of the own tree, and so is a directory of /proc that signals', () => {
    const house = scene()
    house.target.kin.add(CHILD)
    house.target.gone.add(130)
    expect([KIN, CHILD, PARENT, 130, 0, -1].map((pid) => house.call('pidfd_open', pid, 0))).toEqual([
      'fd anon_inode:[pidfd]',
      'fd anon_inode:[pidfd]',
      'EPERM',
      'ESRCH',
      'EINVAL',
      'EINVAL',
    ])
    house.hold(7, 'pidfd_open', CHILD, 0)
    house.inherit(8, '/proc/1')
    house.inherit(9, '/r/f')
    house.inherit(11, '/proc/100')
    house.inherit(12, '/proc/100/fd')
    expect([7, 8, 9, 10, 11, 12].map((fd) => house.call('pidfd_send_signal', fd, 15, 0, 0))).toEqual([
      '0',
      'EPERM',
      'EBADF',
      'EBADF',
      '0',
      'EPERM',
    ])
    expect(house.call('pidfd_send_signal', 7, 15, 0, 4)).toBe('EINVAL')
    expect(house.kernel.signalled).toEqual(['anon_inode:[pidfd] 15', ' 15'])
  })

  test.each<SyscallName>(['tgkill', 'rt_tgsigqueueinfo'])(
    '%s names a group and a thread: both are of the own tree',
    (name) => {
      const house = scene()
      expect(house.call(name, KIN, KIN, 9)).toBe('continue')
      expect(house.call(name, PARENT, PARENT, 9)).toBe('EPERM')
      expect(house.call(name, PARENT, KIN, 9)).toBe('EPERM')
    },
  )
})

describe('programs', () => {
  const files = {
    bin: { tool: 'x', link: '-> tool', out: '-> /o/tool' },
    o: { tool: 'x' },
    r: { data: 'x' },
    proc: { 100: { fd: {} } },
  }
  const rules = ['execute +/bin/tool', 'read +/bin/link', 'read +/bin/out', 'read +/r/', 'read +/proc/self/']

  test.each<[SyscallName, Register[], string, string[]]>([
    ['execve', ['/bin/tool', 0, 0], 'continue', []],
    ['execve', ['/bin/link', 0, 0], 'continue', []],
    ['execve', ['/bin/../bin/tool', 0, 0], 'continue', []],
    ['execve', ['/bin/none', 0, 0], 'ENOENT', ['quiet execute /bin/none']],
    ['execve', ['/r/data', 0, 0], 'EACCES', ['violation execute /r/data']],
    ['execve', ['/o/tool', 0, 0], 'EACCES', ['violation execute /o/tool']],
    ['execve', ['/bin/out', 0, 0], 'EACCES', ['violation execute /o/tool']],
    ['execve', [0, 0, 0], 'EFAULT', []],
    ['execveat', [AT_FDCWD, '/bin/tool', 0, 0, 0], 'continue', []],
    ['execveat', [AT_FDCWD, '/bin/tool', 0, 0, 0x1], 'EINVAL', []],
    ['execveat', [AT_FDCWD, '/o/tool', 0, 0, AT_SYMLINK_NOFOLLOW], 'EACCES', ['violation execute /o/tool']],
    ['execveat', [7, '', 0, 0, AT_EMPTY_PATH], 'EACCES', ['forbidden runs a program through a descriptor']],
    ['execve', ['/proc/self/fd/7', 0, 0], 'EACCES', ['forbidden runs a program through /proc/self/fd']],
  ])('%s %j is %s', (name, args, expected, recorded) => {
    const house = scene({ files, rules })
    house.hold(7, 'memfd_create', 'm', 0)
    expect(house.call(name, ...args)).toBe(expected)
    expect(house.recorded).toEqual(recorded)
  })

  test('no other thread than the first runs a program in place of the worker', () => {
    const house = scene({ files, rules, tid: 101 })
    expect(house.call('execve', '/bin/tool', 0, 0)).toBe('EACCES')
    expect(house.violations).toEqual([expect.stringContaining('in place of the worker')])
    house.target.worker = PARENT
    expect(house.call('execve', '/bin/tool', 0, 0)).toBe('continue')
  })

  test('nor does a thread whose process cannot be told any more', () => {
    const house = scene({ files, rules, tid: 101 })
    house.target.pid = () => Fail.of(Errno.ESRCH)
    expect(house.call('execve', '/bin/tool', 0, 0)).toBe('ESRCH')
  })

  describe('a program is started by another', () => {
    const scripts: Sketch = {
      bin: {
        known: '#!/bin/sh',
        sh: '-> dash',
        dash: 'a shell',
        bash: 'a shell',
        byBash: '#! /bin/bash -e',
        byScript: '#!/bin/byBash',
        byNothing: '#!/bin/none',
        unseen: '#!/o/tool',
        relative: '#!bash',
        device: 'device',
      },
      o: { tool: 'x' },
    }
    const started = (more: readonly string[] = [], options: HouseOptions = {}): House => {
      const lists = [['execute +/bin/'], ['execute !/bin/bash', ...more]]
      const granted = policyData([lists.flat()], options.mode)
      return new House({
        files: scripts,
        policy: compilePolicy({ ...granted, interpreters: [rawPath('/bin/dash')] }),
        ...options,
      })
    }

    test.each<[string, string, string[]]>([
      ['/bin/known', 'continue', []],
      ['/bin/dash', 'continue', []],
      ['/bin/byBash', 'EACCES', ['violation execute /bin/bash']],
      ['/bin/byScript', 'EACCES', ['violation execute /bin/bash']],
      ['/bin/unseen', 'EACCES', ['violation execute /o/tool']],
      // What the kernel says by itself.
      ['/bin/byNothing', 'continue', []],
      ['/bin/relative', 'continue', []],
      ['/bin/device', 'continue', []],
    ])('%s is %s', (path, expected, recorded) => {
      const house = started()
      expect(house.call('execve', path, 0, 0)).toBe(expected)
      expect(house.recorded).toEqual(recorded)
    })

    test('an entry for the interpreter is enough', () => {
      const house = new House({
        files: scripts,
        policy: compilePolicy({ ...policyData([['execute +/bin/byBash'], ['execute +/bin/bash']]), interpreters: [] }),
      })
      expect(house.call('execve', '/bin/byBash', 0, 0)).toBe('continue')
    })

    test('in audit mode it is recorded, where the program itself is granted', () => {
      const house = started([], { mode: 'audit' })
      expect(house.call('execve', '/bin/byBash', 0, 0)).toBe('continue')
      expect(house.call('execve', '/o/tool', 0, 0)).toBe('continue')
      expect(house.violations).toEqual(['violation execute /bin/bash', 'violation execute /o/tool'])
    })

    test('in audit mode it is recorded of a program that a test made as well, whose entry brings no interpreter', () => {
      const house = new House({
        files: { ...scripts, o: { byBash: '#!/bin/bash' } },
        policy: compilePolicy({ ...policyData([[]], 'audit'), interpreters: [rawPath('/bin/dash')] }),
      })
      const { files } = house.kernel
      for (const name of ['made', 'madeForDash']) {
        const script = new Inode('regular', 0o755)
        script.content = Buffer.from(name === 'made' ? '#!/bin/bash' : '#!/bin/dash')
        files.add(files.at('/o'), name, script)
      }
      for (const program of ['/o/byBash', '/o/made', '/o/madeForDash'])
        expect(house.call('execve', program, 0, 0)).toBe('continue')
      expect(house.violations).toEqual([
        'violation execute /o/byBash',
        'violation execute /o/made',
        'violation execute /bin/bash',
        'violation execute /o/madeForDash',
      ])
    })
  })

  test('without Landlock nothing is run', () => {
    const house = scene({ files, rules, execAuthority: 'none' })
    expect(house.call('execve', '/bin/tool', 0, 0)).toBe('EACCES')
    expect(house.violations).toHaveLength(1)
  })

  test('without Landlock, by an option, what is granted is run, and nothing else', () => {
    const house = scene({ files, rules, execAuthority: 'unsafe' })
    expect(house.call('execve', '/bin/tool', 0, 0)).toBe('continue')
    expect(house.call('execve', '/o/tool', 0, 0)).toBe('EACCES')
    expect(house.call('execveat', 7, '', 0, 0, AT_EMPTY_PATH)).toBe('EACCES')
  })
})

describe('what is never granted', () => {
  test.each(
    rowsFor('x64')
      .filter(({ family }) => family === 'refused')
      .map(({ name }) => name),
  )('%s is refused and recorded, in audit mode too', (name) => {
    for (const mode of ['enforce', 'audit'] as const) {
      const house = scene({ mode })
      expect(house.call(name)).toMatch(/^E[A-Z]+$/)
      expect(house.recorded).toHaveLength(1)
      expect(house.recorded[0]).toMatch(/^forbidden /)
    }
  })
})
