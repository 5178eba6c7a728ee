/** What must hold of the lists themselves: baseline, table, immediate answers. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ARCHES, AUDIT_ARCH, X32_SYSCALL_BIT, type Arch } from '../../src/abi/arch.js'
import { isSyscallName, syscallName, syscallNames, syscallNumber, type SyscallName } from '../../src/abi/syscalls.js'
import { compile } from '../../src/bpf/compile.js'
import { actionName, seccompData } from '../../src/bpf/rules.js'
import { isConstantAllow, simulate } from '../../src/bpf/simulate.js'
import { OPERATIONS } from '../../src/policy/operations.js'
import { rawPath } from '../../src/policy/request.js'
import { describeRequest } from '../../src/policy/words.js'
import { BASELINE, ENTRY, IMMEDIATE, type Baseline, type Condition } from '../../src/syscalls/baseline.js'
import {
  filterFor,
  networkedFilter,
  receivingFilter,
  sealFilter,
  socketlessFilter,
  spawnerFilter,
  workerFilter,
} from '../../src/syscalls/filter.js'
import { rowsFor, tableFor } from '../../src/syscalls/table.js'

const duplicates = (names: readonly string[]): string[] => names.filter((name, index) => names.indexOf(name) !== index)
const isAlways = ({ when, only: filters }: Baseline): boolean => when === undefined && filters === undefined
const unconditional = BASELINE.filter(isAlways).flatMap(({ names }) => names)
const conditional = BASELINE.filter((group) => !isAlways(group)).flatMap(({ names }) => names)
const immediate = IMMEDIATE.map(({ name }) => name)
const rows = rowsFor('x64').map(({ name }) => name)
const programs = { x64: compile(workerFilter('x64')), arm64: compile(workerFilter('arm64')) }

describe('the lists', () => {
  test('every name is a system call, with a number somewhere', () => {
    for (const name of [...unconditional, ...conditional, ...immediate, ...rows]) {
      expect(isSyscallName(name), name).toBe(true)
      expect(
        ARCHES.some((arch) => syscallNumber(arch, name) !== undefined),
        name,
      ).toBe(true)
    }
  })

  test('a call stands in one list only, but for those let through under conditions, which have a row for the rest', () => {
    expect(duplicates([...unconditional, ...rows, ...immediate])).toEqual([])
    expect(duplicates([...unconditional, ...new Set(conditional), ...immediate])).toEqual([])
    expect(conditional.filter((name) => !rows.includes(name))).toEqual([])
  })

  test.each(ARCHES)('%s: the table holds all rows that the architecture has, under their own numbers', (arch) => {
    const table = tableFor(arch)
    expect(rowsFor(arch).map(({ name }) => name)).toEqual(rows)
    for (const [number, row] of table) expect(syscallName(arch, number)).toBe(row.name)
    expect(table.size).toBe(rows.filter((name) => syscallNumber(arch, name) !== undefined).length)
  })

  test('every row says what it answers, and every baseline group why', () => {
    for (const row of rowsFor('x64')) expect(row.answer.length, row.name).toBeGreaterThan(10)
    for (const { why, names } of BASELINE) expect(why.length, names.join()).toBeGreaterThan(5)
  })

  test('every operation is that of a row, or of what is no system call', () => {
    const used = new Set<string>(rowsFor('x64').map(({ operation }) => operation))
    expect(Object.keys(OPERATIONS).filter((operation) => !used.has(operation))).toEqual(['acquire', 'rpc'])
  })

  test('a message says what a call does, whether it names a path or a descriptor', () => {
    const said = (access: 'look' | 'read' | 'content' | 'write', ...names: readonly SyscallName[]): string[] => {
      const all = rowsFor('x64').filter(({ name }) => names.includes(name))
      const request = { kind: 'path', access, path: rawPath('/x') } as const
      return [...new Set(all.map(({ operation }) => describeRequest(request, operation)))]
    }
    expect(said('write', 'chmod', 'fchmod', 'fchmodat', 'fchmodat2')).toEqual(['change the mode of /x'])
    expect(said('write', 'chown', 'lchown', 'fchown', 'fchownat')).toEqual(['change the owner of /x'])
    expect(said('write', 'utime', 'utimes', 'futimesat', 'utimensat')).toEqual(['change the times of /x'])
    expect(said('write', 'setxattr', 'fsetxattr', 'lremovexattr', 'fremovexattr')).toEqual(['change attributes of /x'])
    expect(said('content', 'truncate', 'ftruncate')).toEqual(['truncate /x'])
    expect(said('read', 'inotify_add_watch')).toEqual(['watch /x'])
    expect(said('look', 'stat', 'readlink', 'listxattr')).toEqual(['look at /x'])
    expect(said('read', 'open', 'openat')).toEqual(['open /x for reading'])
  })

  test('nothing that makes a descriptor, starts elsewhere or names another process is in the baseline', () => {
    const makers: SyscallName[] = [
      'open',
      'openat',
      'openat2',
      'creat',
      'socket',
      'socketpair',
      'accept',
      'accept4',
      'pipe',
      'pipe2',
      'eventfd',
      'eventfd2',
      'epoll_create',
      'epoll_create1',
      'timerfd_create',
      'signalfd',
      'signalfd4',
      'memfd_create',
      'memfd_secret',
      'inotify_init',
      'inotify_init1',
      'userfaultfd',
      'pidfd_open',
      'pidfd_getfd',
      'io_uring_setup',
      'perf_event_open',
      'bpf',
      'fanotify_init',
      'fsopen',
      'fspick',
      'fsmount',
      'open_tree',
      'open_by_handle_at',
      'mq_open',
      'landlock_create_ruleset',
      'recvmsg',
      'recvmmsg',
      'kill',
      'tkill',
      'tgkill',
      'ptrace',
      'process_vm_writev',
      'execve',
      'execveat',
      'connect',
      'bind',
      'sendmsg',
      'sendmmsg',
      'unshare',
      'setns',
      'mount',
      'chroot',
      'seccomp',
      'chdir',
      'chmod',
      'fchmod',
      'fchown',
      'ftruncate',
      'fsetxattr',
    ]
    expect(makers.filter((name) => unconditional.includes(name))).toEqual([])
  })
})

/** The registers with which every condition holds, each also with a hostile upper half. */
function choices(when: readonly Condition[]): bigint[][] {
  return when.reduce<bigint[][]>(
    (sofar, condition) => {
      const values = 'among' in condition ? condition.among.map(BigInt) : [0n, 17n]
      return sofar.flatMap((registers) =>
        values.map((value) => {
          const next = [...registers]
          next[condition.arg] = value
          return next
        }),
      )
    },
    [[0n, 0n, 0n, 0n, 0n, 0n]],
  )
}

describe.each(ARCHES)('the filter of %s', (arch) => {
  const decide = (number: number, args: readonly bigint[] = []): string =>
    actionName(simulate(programs[arch], seccompData(arch, number, args)).action)
  const HIGH = 0x1_0000_0000n
  const hostile = [
    [],
    [HIGH, HIGH, HIGH, HIGH, HIGH, HIGH],
    [-1n, -1n, -1n, -1n, -1n, -1n].map((value) => BigInt.asUintN(64, value)),
  ]

  test('every number of every list is decided as the list says, whatever is in the registers', () => {
    for (const name of syscallNames(arch)) {
      const number = syscallNumber(arch, name) ?? -1
      const answers = new Set(hostile.map((args) => decide(number, args)))
      if (unconditional.includes(name)) expect([...answers], name).toEqual(['allow'])
      else if (immediate.includes(name)) expect([...answers], name).toEqual(['ENOSYS'])
      else if (!conditional.includes(name)) expect([...answers], name).toEqual(['notify'])
    }
  })

  test('a condition holds for whole registers only', () => {
    for (const { names, when, only: filters } of BASELINE) {
      if (when === undefined || filters?.includes('worker') === false) continue
      for (const name of names) {
        const number = syscallNumber(arch, name)
        if (number === undefined) continue
        for (const args of choices(when)) {
          expect(decide(number, args), `${name} ${args.join()}`).toBe('allow')
          for (const condition of when) {
            if (!('among' in condition)) continue
            const changed = args.map((value, index) => (index === condition.arg ? value + HIGH : value))
            expect(decide(number, changed), `${name} ${changed.join()}`).toBe('notify')
          }
        }
      }
    }
  })

  test('receiving is let through where the kernel keeps strangers out, and goes to the broker elsewhere', () => {
    const receiving = compile(receivingFilter(arch))
    for (const name of syscallNames(arch)) {
      const number = syscallNumber(arch, name) ?? -1
      const received = hostile.map((args) => actionName(simulate(receiving, seccompData(arch, number, args)).action))
      const isReceiving = name === 'recvmsg' || name === 'recvmmsg'
      expect(received, name).toEqual(hostile.map((args) => (isReceiving ? 'notify' : decide(number, args))))
      if (isReceiving) expect(decide(number), name).toBe('allow')
    }
  })

  test('without sockets: as usual, but for names of sockets, and for what the seal then refuses', () => {
    const [socketless, seal] = [compile(socketlessFilter(arch)), compile(sealFilter(arch))]
    const entry = ENTRY.flatMap(({ name, when }) => choices(when).map((args) => ({ name, args, when })))
    expect(entry.length).toBe(2)
    for (const name of syscallNames(arch)) {
      const data = (args: readonly bigint[]) => seccompData(arch, syscallNumber(arch, name) ?? -1, args)
      const own = entry.filter((one) => one.name === name)
      for (const { args, when } of own) {
        expect(actionName(simulate(socketless, data(args)).action), name).toBe('allow')
        expect(actionName(simulate(seal, data(args)).action), name).toBe('EPERM')
        // What differs in one register is none of it.
        for (const { arg } of when) {
          const other = args.map((one, at) => (at === arg ? one ^ HIGH : one))
          expect(actionName(simulate(socketless, data(other)).action), `${name} ${other.join()}`).toBe('notify')
        }
      }
      for (const args of hostile) {
        expect(actionName(simulate(seal, data(args)).action), name).toBe('allow')
        const named = name === 'getsockname' || name === 'getpeername'
        expect(actionName(simulate(socketless, data(args)).action), name).toBe(
          named ? 'allow' : decide(syscallNumber(arch, name) ?? -1, args),
        )
      }
    }
  })

  test('with sockets left alone, what differs is of sockets', () => {
    const networked = compile(networkedFilter(arch))
    const sample = [...hostile, [1n], [2n], [10n], [16n], [17n], [0n, 1n, 17n]]
    const differing = syscallNames(arch).filter((name) =>
      sample.some((args) => {
        const number = syscallNumber(arch, name) ?? -1
        return actionName(simulate(networked, seccompData(arch, number, args)).action) !== decide(number, args)
      }),
    )
    const sockets = ['accept', 'accept4', 'bind', 'connect', 'getpeername', 'getsockname', 'getsockopt', 'listen']
    const more = ['sendmmsg', 'sendmsg', 'sendto', 'setsockopt', 'socket']
    expect(differing.toSorted()).toEqual([...sockets, ...more])
    const socket = syscallNumber(arch, 'socket') ?? -1
    const kinds = (args: readonly bigint[]): string =>
      actionName(simulate(networked, seccompData(arch, socket, args)).action)
    expect(
      [
        [1n, 1n],
        [2n, 1n],
        [10n, 2n],
        [16n, 3n, 0n],
      ].map(kinds),
    ).toEqual(['allow', 'allow', 'allow', 'allow'])
    expect(
      [
        [16n, 3n, 9n],
        [17n, 3n],
        [40n, 1n],
        [38n, 5n],
      ].map(kinds),
    ).toEqual(['notify', 'notify', 'notify', 'notify'])
  })

  test('each way to keep strangers out has its filter', () => {
    expect((['kernel', 'broker', 'none'] as const).map((reception) => filterFor(reception, false))).toEqual([
      'worker',
      'receiving',
      'socketless',
    ])
    expect((['kernel', 'broker', 'none'] as const).map((reception) => filterFor(reception, true))).toEqual([
      'worker',
      'receiving',
      'networked',
    ])
  })

  test('clone is let through without any of the flags that make a namespace, a pidfd or another parent', () => {
    const number = syscallNumber(arch, 'clone') ?? -1
    const bad = [
      0x20000n,
      0x2000000n,
      0x4000000n,
      0x8000000n,
      0x10000000n,
      0x20000000n,
      0x40000000n,
      0x1000n,
      0x8000n,
      0x2000n,
    ]
    expect(decide(number, [0x3d0f00n])).toBe('allow')
    for (const flag of bad) {
      expect(decide(number, [0x11n | flag])).toBe('notify')
      expect(decide(number, [0x11n | flag | 0xabcd_0000_0000n])).toBe('notify')
    }
  })

  test('a number that no list knows goes to the broker, and so does a foreign ABI', () => {
    const known = new Set(syscallNames(arch).map((name) => syscallNumber(arch, name)))
    for (let number = 0; number < 1200; number++)
      if (!known.has(number)) expect(decide(number), `${number}`).toBe('notify')
    expect(decide(0x3fff_ffff)).toBe('notify')
    for (const foreign of [AUDIT_ARCH[arch === 'x64' ? 'arm64' : 'x64'], 0x40000003, 0, 0xffff_ffff]) {
      for (const number of [0, 1, 59, 999]) {
        const data = { ...seccompData(arch, number), arch: foreign }
        expect(actionName(simulate(programs[arch], data).action)).toBe('notify')
      }
    }
    expect(decide(X32_SYSCALL_BIT + 2)).toBe('notify')
  })

  test('the kernel can remember the calls that are always allowed, and only those', () => {
    for (const name of syscallNames(arch)) {
      const number = syscallNumber(arch, name) ?? -1
      const isReceiving = name === 'recvmsg' || name === 'recvmmsg'
      expect(isConstantAllow(programs[arch], arch, number), name).toBe(isReceiving || unconditional.includes(name))
    }
  })

  test('the spawner refuses rings and nothing else', () => {
    const program = compile(spawnerFilter(arch))
    for (const name of syscallNames(arch)) {
      const { action } = simulate(program, seccompData(arch, syscallNumber(arch, name) ?? -1))
      expect(actionName(action), name).toBe(name === 'io_uring_setup' ? 'ENOSYS' : 'allow')
    }
  })

  test('no other filter of a worker is stricter with a foreign ABI, which the broker has to hear of', () => {
    const data = seccompData(arch === 'x64' ? 'arm64' : 'x64', 1)
    const actions = [spawnerFilter(arch), sealFilter(arch)].map((one) =>
      actionName(simulate(compile(one), data).action),
    )
    expect(actions).toEqual(['notify', 'allow'])
  })
})

test('docs/syscalls.md is what the lists say (else: node scripts/docs.mjs)', () => {
  const script = fileURLToPath(new URL('../../scripts/docs.mjs', import.meta.url))
  execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8', timeout: 200_000 })
})

function only(one: Arch, other: Arch): string[] {
  return rows.filter((name) => syscallNumber(one, name) !== undefined && syscallNumber(other, name) === undefined)
}

test('the two architectures differ only in calls that one of them does not have', () => {
  expect(only('arm64', 'x64')).toEqual([])
  expect(only('x64', 'arm64').toSorted()).toMatchInlineSnapshot(`
    [
      "access",
      "chmod",
      "chown",
      "creat",
      "epoll_create",
      "eventfd",
      "futimesat",
      "inotify_init",
      "lchown",
      "link",
      "lstat",
      "mkdir",
      "mknod",
      "open",
      "pipe",
      "readlink",
      "rename",
      "rmdir",
      "signalfd",
      "stat",
      "symlink",
      "unlink",
      "uselib",
      "utime",
      "utimes",
    ]
  `)
})
