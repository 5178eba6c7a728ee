import { describe, expect, test } from 'vitest'
import { ARCHES } from '../../src/abi/arch.js'
import * as clone from '../../src/abi/clone.js'
import * as descriptors from '../../src/abi/descriptors.js'
import { Errno } from '../../src/abi/errno.js'
import * as fcntl from '../../src/abi/fcntl.js'
import * as ioctl from '../../src/abi/ioctl.js'
import * as landlock from '../../src/abi/landlock.js'
import * as mode from '../../src/abi/mode.js'
import { openFlags } from '../../src/abi/open-flags.js'
import * as pathFlags from '../../src/abi/path-flags.js'
import * as prctl from '../../src/abi/prctl.js'
import * as rlimit from '../../src/abi/rlimit.js'
import * as seccomp from '../../src/abi/seccomp.js'
import * as socket from '../../src/abi/socket.js'
import * as uio from '../../src/abi/uio.js'
import { evaluateC, findCompiler, missingCompiler } from './compiler.js'

interface Topic {
  readonly topic: string
  readonly headers: readonly string[]
  readonly constants: Readonly<Record<string, unknown>>
}

const uapi = (...names: readonly string[]): readonly string[] => names.map((name) => `linux/${name}.h`)

const TOPICS: readonly Topic[] = [
  { topic: 'clone', headers: uapi('sched'), constants: clone },
  {
    topic: 'descriptors',
    headers: uapi('memfd', 'pidfd'),
    constants: descriptors,
  },
  { topic: 'errno', headers: ['errno.h'], constants: Errno },
  { topic: 'fcntl', headers: uapi('fcntl'), constants: fcntl },
  {
    topic: 'ioctl',
    headers: ['asm/ioctls.h', 'asm/termbits.h', ...uapi('fs', 'seccomp', 'fiemap', 'sockios', 'pidfd', 'nsfs')],
    constants: ioctl,
  },
  { topic: 'landlock', headers: uapi('landlock'), constants: landlock },
  { topic: 'mode', headers: ['sys/stat.h', 'unistd.h'], constants: mode },
  { topic: 'path-flags', headers: uapi('fcntl', 'openat2', 'fs', 'stat', 'xattr', 'inotify'), constants: pathFlags },
  { topic: 'prctl', headers: uapi('prctl'), constants: prctl },
  { topic: 'rlimit', headers: uapi('resource'), constants: rlimit },
  { topic: 'seccomp', headers: uapi('seccomp'), constants: seccomp },
  { topic: 'socket', headers: ['sys/socket.h', 'asm/socket.h', ...uapi('in', 'udp', 'netlink')], constants: socket },
  { topic: 'uio', headers: uapi('uio'), constants: uio },
]

// #ifdef does not see enumerators.
const ENUMERATORS = new Set(['LANDLOCK_RULE_PATH_BENEATH', 'SHUT_RDWR'])

/** Headers from this version on (6.12, Debian 13) must know every name but the younger ones listed here. */
const COMPLETE_SINCE = 0x060c00n
const YOUNGER = new Set([
  'EFTYPE',
  'O_EMPTYPATH',
  'LANDLOCK_ACCESS_FS_RESOLVE_UNIX',
  'LANDLOCK_ACCESS_NET_BIND_UDP',
  'LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP',
  'SO_PASSRIGHTS',
])

function numbers(constants: Readonly<Record<string, unknown>>): Readonly<Record<string, bigint>> {
  const entries = Object.entries(constants).flatMap(([name, value]): (readonly [string, bigint])[] =>
    typeof value === 'number' || typeof value === 'bigint' ? [[name, BigInt(value)]] : [],
  )
  return Object.fromEntries(entries)
}

describe.each(ARCHES)('constants are those of the C headers on %s', (arch) => {
  const compiler = findCompiler(arch)

  function compare(headers: readonly string[], ours: Readonly<Record<string, bigint>>): void {
    if (compiler === undefined) throw new Error('skipped without a compiler')
    const names = Object.keys(ours)
    expect(names.length).toBeGreaterThan(0)
    const [version, ...found] = evaluateC(
      compiler,
      ['linux/version.h', ...headers],
      [
        { text: 'LINUX_VERSION_CODE' },
        ...names.map((name) => (ENUMERATORS.has(name) ? { text: name } : { text: name, ifDefined: name })),
      ],
    )
    const theirs = Object.fromEntries(names.map((name, index) => [name, found[index] ?? 'missing']))
    const mayBeMissing = (name: string): boolean => (version ?? 0n) < COMPLETE_SINCE || YOUNGER.has(name)
    const expected = Object.fromEntries(
      names.map((name) => [name, theirs[name] === 'missing' && mayBeMissing(name) ? 'missing' : ours[name]]),
    )
    expect(theirs).toEqual(expected)
  }

  test.for(TOPICS)('$topic', ({ headers, constants }, { skip }) => {
    skip(compiler === undefined, missingCompiler(arch))
    compare(headers, numbers(constants))
  })

  test('open flags', ({ skip }) => {
    skip(compiler === undefined, missingCompiler(arch))
    const { O_ASYNC, ...flags } = openFlags(arch)
    compare(uapi('fcntl', 'openat2'), numbers({ ...flags, FASYNC: O_ASYNC }))
  })
})
