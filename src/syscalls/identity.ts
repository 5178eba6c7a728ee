/**
 * The worker's identity: user and group ids, capabilities. None of these calls changes it; but a call that asks for no
 * change is no reason for an error.
 */
import { Errno } from '../abi/errno.js'
import type { SyscallName } from '../abi/syscalls.js'
import { int, struct, word, type Arg } from './args.js'
import { DONE, GONE, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Ids } from './ports.js'

const family = 'processes'
const GO_ON: Reply = { kind: 'continue', reason: 'registers-only' }

function no(call: Call, why: string): Fail {
  call.record({ outcome: 'forbidden', why, violation: false })
  return Fail.of(Errno.EPERM)
}

// --- ids

/** A call that sets ids. With `keeps`, -1 means "as it is"; for the other calls it is no id at all. */
function setIds(name: SyscallName, whose: keyof Ids, count: number, minusOne: 'keeps' | 'invalid'): Row {
  const given: Record<string, Arg<number>> = {}
  for (let at = 0; at < count; at++) given[`id${at}`] = int(at)
  return defineSyscall({
    name,
    family,
    operation: 'own-state',
    answer: 'continued where it changes nothing: the ids of the caller are the only ones; otherwise `EPERM`',
    args: given,
    handle(call, ids) {
      const own = call.kernel.ids[whose]
      const asked = Object.values(ids)
      if (minusOne === 'invalid' && asked.includes(-1)) return Fail.of(Errno.EINVAL)
      return asked.every((id) => id === -1 || (own !== undefined && id === (own | 0)))
        ? GO_ON
        : no(call, 'changes who the worker is; the broker acts as the user who started the run')
    },
  })
}

// --- capabilities: capget(2)

const VERSION_1 = 0x19980330
const VERSION_2 = 0x20071026
const VERSION_3 = 0x20080522
/** The size of struct __user_cap_data_struct, and the number of these in each version. */
const DATA = 12
const COUNTS = new Map([
  [VERSION_1, 1],
  [VERSION_2, 2],
  [VERSION_3, 2],
])

interface CapabilityHeader {
  /** The bytes of data in this version; undefined for an unknown version. */
  readonly length: number | undefined
  readonly pid: number
}

function readHeader(bytes: Uint8Array | undefined): Outcome<CapabilityHeader> {
  if (bytes === undefined) return Fail.of(Errno.EFAULT)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const count = COUNTS.get(view.getUint32(0, true))
  return { length: count === undefined ? undefined : count * DATA, pid: view.getInt32(4, true) }
}

/** Answers an unknown version with the preferred one: programs ask for it in this way. */
function tellVersion(call: Call, at: number, errno: Errno | undefined): Reply {
  const preferred = Buffer.alloc(4)
  preferred.writeUInt32LE(VERSION_3, 0)
  const written = call.target.writeBytes(at, preferred)
  if (failed(written)) return written
  return errno === undefined ? DONE : Fail.of(errno)
}

interface CapArgs {
  readonly at: number
  readonly header: Uint8Array | undefined
  readonly data: number
}

function capgetCall(call: Call, { at, header, data }: CapArgs): Reply {
  const asked = readHeader(header)
  if (failed(asked)) return asked
  const { length, pid } = asked
  if (length === undefined) return tellVersion(call, at, data === 0 ? undefined : Errno.EINVAL)
  if (data === 0) return DONE
  if (pid < 0) return Fail.of(Errno.EINVAL)
  const relation = pid === 0 ? 'ownTree' : call.target.relationTo(pid)
  if (relation === 'exited') return Fail.of(Errno.ESRCH)
  if (relation !== 'ownTree') return no(call, `asks for the capabilities of process ${pid}`)
  const has = call.kernel.capabilities(pid === 0 ? call.target.tid : pid)
  if (failed(has)) return has
  if (!call.target.stillWaiting()) return GONE
  const written = call.target.writeBytes(data, has.subarray(0, length))
  return failed(written) ? written : DONE
}

/**
 * capset(2). The broker cannot change the capabilities of another process, so the call only succeeds if it changes
 * nothing.
 */
function capsetCall(call: Call, { at, header, data }: CapArgs): Reply {
  const asked = readHeader(header)
  if (failed(asked)) return asked
  const { length, pid } = asked
  if (length === undefined) return tellVersion(call, at, Errno.EINVAL)
  if (pid !== 0 && pid !== call.target.tid) return Fail.of(Errno.EPERM)
  const wanted = call.target.readBytes(data, length)
  if (failed(wanted)) return wanted
  const has = call.kernel.capabilities(call.target.tid)
  if (failed(has)) return has
  const isSame = has.every((byte, index) => byte === (wanted[index] ?? 0))
  return isSame ? DONE : no(call, 'changes its capabilities; a worker has none, even as root')
}

const capArgs = { at: word(0), header: struct(0, 8), data: word(1) }

export const identityFamily: readonly Row[] = [
  setIds('setuid', 'user', 1, 'invalid'),
  setIds('setgid', 'group', 1, 'invalid'),
  setIds('setreuid', 'user', 2, 'keeps'),
  setIds('setregid', 'group', 2, 'keeps'),
  setIds('setresuid', 'user', 3, 'keeps'),
  setIds('setresgid', 'group', 3, 'keeps'),
  // setfsuid(2): programs pass -1 to ask for the present id.
  setIds('setfsuid', 'user', 1, 'keeps'),
  setIds('setfsgid', 'group', 1, 'keeps'),
  defineSyscall({
    name: 'capget',
    family,
    operation: 'own-state',
    answer: 'answered for the own process tree; a worker has no capability, even as root',
    args: capArgs,
    handle: capgetCall,
  }),
  defineSyscall({
    name: 'capset',
    family,
    operation: 'own-state',
    answer: 'done where it changes nothing; otherwise `EPERM`',
    args: capArgs,
    handle: capsetCall,
  }),
]
