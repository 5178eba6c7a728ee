import { describe, expect, test } from 'vitest'
import { ARCHES, type Arch } from '../../src/abi/arch.js'
import { STAT, STATFS, STATX, STATX_TIMESTAMP } from '../../src/abi/stat-structs.js'
import * as structs from '../../src/abi/structs.js'
import { evaluateC, findCompiler, missingCompiler } from './compiler.js'

interface Struct {
  readonly type: string
  readonly header: string
  readonly layout: Readonly<Record<string, number>>
  /** Fields that the C type lacks or calls otherwise: our name to a C designator, or undefined to leave it out. */
  readonly spelled?: Readonly<Record<string, string | undefined>>
}

const SECCOMP = 'linux/seccomp.h'
const STRUCTS: readonly Struct[] = [
  { type: 'struct seccomp_data', header: SECCOMP, layout: structs.SECCOMP_DATA },
  {
    type: 'struct seccomp_notif',
    header: SECCOMP,
    layout: structs.SECCOMP_NOTIF,
    spelled: {
      nr: 'data.nr',
      arch: 'data.arch',
      instruction_pointer: 'data.instruction_pointer',
      args: 'data.args',
    },
  },
  { type: 'struct seccomp_notif_resp', header: SECCOMP, layout: structs.SECCOMP_NOTIF_RESP },
  { type: 'struct seccomp_notif_addfd', header: SECCOMP, layout: structs.SECCOMP_NOTIF_ADDFD },
  { type: 'struct seccomp_notif_sizes', header: SECCOMP, layout: structs.SECCOMP_NOTIF_SIZES },
  { type: 'struct sock_filter', header: 'linux/filter.h', layout: structs.SOCK_FILTER },
  { type: 'struct sock_fprog', header: 'linux/filter.h', layout: structs.SOCK_FPROG },
  { type: 'struct open_how', header: 'linux/openat2.h', layout: structs.OPEN_HOW },
  { type: 'struct iovec', header: 'sys/uio.h', layout: structs.IOVEC },
  { type: 'struct timespec', header: 'time.h', layout: structs.TIMESPEC },
  { type: 'struct timeval', header: 'sys/time.h', layout: structs.TIMEVAL },
  { type: 'struct utimbuf', header: 'utime.h', layout: structs.UTIMBUF },
  { type: 'struct msghdr', header: 'sys/socket.h', layout: structs.MSGHDR },
  { type: 'struct mmsghdr', header: 'sys/socket.h', layout: structs.MMSGHDR },
  { type: 'struct cmsghdr', header: 'sys/socket.h', layout: structs.CMSGHDR },
  { type: 'struct sockaddr_un', header: 'linux/un.h', layout: structs.SOCKADDR_UN },
  { type: 'struct sockaddr_in', header: 'netinet/in.h', layout: structs.SOCKADDR_IN },
  { type: 'struct sockaddr_in6', header: 'netinet/in.h', layout: structs.SOCKADDR_IN6 },
  { type: 'struct landlock_path_beneath_attr', header: 'linux/landlock.h', layout: structs.LANDLOCK_PATH_BENEATH_ATTR },
  { type: 'struct landlock_net_port_attr', header: 'linux/landlock.h', layout: structs.LANDLOCK_NET_PORT_ATTR },
  {
    // Grew since; its size is what one passes to the kernel, and ours ends behind `scoped`.
    type: 'struct landlock_ruleset_attr',
    header: 'linux/landlock.h',
    layout: structs.LANDLOCK_RULESET_ATTR,
    spelled: { size: undefined },
  },
  { type: 'struct statx', header: 'linux/stat.h', layout: STATX },
  { type: 'struct statx_timestamp', header: 'linux/stat.h', layout: STATX_TIMESTAMP },
  { type: 'struct statfs', header: 'asm/statfs.h', layout: STATFS },
]

function compare(arch: Arch, { type, header, layout, spelled = {} }: Struct): void {
  const compiler = findCompiler(arch)
  if (compiler === undefined) throw new Error('skipped without a compiler')
  const fields = Object.keys(layout).filter((field) => !(field in spelled) || spelled[field] !== undefined)
  const expressions = fields.map((field) => ({
    text: field === 'size' ? `sizeof(${type})` : `offsetof(${type}, ${spelled[field] ?? field})`,
  }))
  const found = evaluateC(compiler, [header], expressions)
  expect(Object.fromEntries(fields.map((field, index) => [field, Number(found[index])]))).toEqual(
    Object.fromEntries(fields.map((field) => [field, layout[field]])),
  )
}

describe.each(ARCHES)('layouts are those of the C compiler on %s', (arch) => {
  const missing = findCompiler(arch) === undefined

  test.for(STRUCTS)('$type', (struct, { skip }) => {
    skip(missing, missingCompiler(arch))
    compare(arch, struct)
  })

  test('struct stat: offsets, widths, size', ({ skip }) => {
    skip(missing, missingCompiler(arch))
    const { size, ...fields } = STAT[arch]
    const compiler = findCompiler(arch)
    if (compiler === undefined) return
    const c = Object.keys(fields).flatMap((field) => [
      { text: `offsetof(struct stat, ${field})` },
      { text: `sizeof(((struct stat *)0)->${field})` },
    ])
    const [total, ...found] = evaluateC(compiler, ['asm/stat.h'], [{ text: 'sizeof(struct stat)' }, ...c])
    expect(Number(total)).toBe(size)
    expect(found.map(Number)).toEqual(Object.values(fields).flatMap(({ at, bytes }) => [at, bytes]))
  })
})
