/**
 * Confines the worker itself, in this order, before any code of the user's runs: no_new_privs, Landlock, filter. Each
 * step throws if it fails: a worker that is not confined does not go on.
 */
import { CLONE_FS } from '../abi/clone.js'
import { Errno } from '../abi/errno.js'
import {
  LANDLOCK_ACCESS_FS_EXECUTE,
  LANDLOCK_ACCESS_FS_READ_DIR,
  LANDLOCK_ACCESS_FS_READ_FILE,
  LANDLOCK_ACCESS_FS_RESOLVE_UNIX,
  LANDLOCK_CREATE_RULESET_VERSION,
  LANDLOCK_RULE_PATH_BENEATH,
  landlockRights,
  type LandlockRights,
} from '../abi/landlock.js'
import { openFlags } from '../abi/open-flags.js'
import { AT_FDCWD, RESOLVE_NO_SYMLINKS } from '../abi/path-flags.js'
import { PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS } from '../abi/prctl.js'
import { RLIMIT_CORE, RLIMIT_LOCKS } from '../abi/rlimit.js'
import {
  SECCOMP_FILTER_FLAG_NEW_LISTENER,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
  SECCOMP_SET_MODE_FILTER,
} from '../abi/seccomp.js'
import { OPEN_HOW, SOCK_FPROG } from '../abi/structs.js'
import { SystemCallError } from '../errors.js'
import type { FileSystemState } from './creation.js'
import { hostArch } from './host.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

const O = openFlags(hostArch())

function must(syscall: string, result: number, detail = ''): number {
  if (result < 0) throw new SystemCallError(syscall, -result, detail)
  return result
}

/**
 * prctl(2): exec grants no privileges any more, for this thread and everything that it starts. An unprivileged process
 * needs it to install a filter.
 */
export function noNewPrivileges(): void {
  must('prctl(PR_SET_NO_NEW_PRIVS)', sys6(numberOf('prctl'), PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

/** The Landlock ABI of this kernel; 0 if there is none, or it is switched off. landlock_create_ruleset(2). */
export function landlockAbi(): number {
  return Math.max(0, sys3(numberOf('landlock_create_ruleset'), 0, 0, LANDLOCK_CREATE_RULESET_VERSION))
}

interface LandlockAllowance {
  readonly path: string
  readonly right: 'read' | 'execute'
}

/**
 * Puts this thread, and everything that it starts later, into a Landlock domain that handles every right of the kernel
 * and allows only the listed ones. Missing paths are left out: nothing is allowed beneath them. With `network` open,
 * ports and connections to paths are left alone. Returns the ABI used, 0 for none.
 */
export function enterLandlock(allowances: readonly LandlockAllowance[], network: 'closed' | 'open' = 'closed'): number {
  const abi = landlockAbi()
  const rights = landlockRights(abi)
  if (rights === undefined) return 0
  const opened = { ...rights, net: 0, fs: rights.fs & ~LANDLOCK_ACCESS_FS_RESOLVE_UNIX }
  restrict(network === 'open' ? opened : rights, allowances)
  return abi
}

/**
 * Puts this thread into a domain that handles only execution, and signals and abstract sockets that leave the domain.
 * It is for a thread that starts Node, which must read files to boot. Does nothing if the kernel has no Landlock.
 */
export function limitExecution(programs: readonly string[]): void {
  const rights = landlockRights(landlockAbi())
  if (rights === undefined) return
  restrict(
    { ...rights, fs: LANDLOCK_ACCESS_FS_EXECUTE, net: 0 },
    programs.map((path) => ({ path, right: 'execute' })),
  )
}

function restrict(rights: LandlockRights, allowances: readonly LandlockAllowance[]): void {
  const attr = new Pinned(24)
  attr.bytes.writeUInt32LE(rights.fs, 0)
  attr.bytes.writeUInt32LE(rights.net, 8)
  attr.bytes.writeUInt32LE(rights.scoped, 16)
  using ruleset = new OwnedFd(
    must('landlock_create_ruleset', sys3(numberOf('landlock_create_ruleset'), attr.address, rights.attrSize, 0)),
  )
  for (const allowance of allowances) allow(ruleset, allowance, rights.fs)
  must('landlock_restrict_self', sys3(numberOf('landlock_restrict_self'), ruleset.number, 0))
}

function allow(ruleset: OwnedFd, { path, right }: LandlockAllowance, handled: number): void {
  const text = new Pinned(4096 + 64)
  text.text(Buffer.from(path, 'utf8').toString('latin1'))
  // Programs have been looked up before. A link that has come since was put there, and may lead to any other.
  const how = new Pinned(OPEN_HOW.size)
  how.setWord(OPEN_HOW.resolve, right === 'execute' ? RESOLVE_NO_SYMLINKS : 0)
  const open = (flags: number): number => {
    how.setWord(OPEN_HOW.flags, flags | O.O_PATH | O.O_CLOEXEC)
    return sys6(numberOf('openat2'), AT_FDCWD, text.address, how.address, OPEN_HOW.size)
  }
  const fd = open(0)
  if ([Errno.ENOENT, Errno.ENOTDIR, Errno.EACCES, Errno.ELOOP].some((errno) => fd === -errno)) return
  using opened = new OwnedFd(must('open', fd, path))
  const directory = open(O.O_DIRECTORY)
  const isDirectory = directory >= 0
  if (isDirectory) new OwnedFd(directory).close()
  const attr = new Pinned(12)
  const access =
    LANDLOCK_ACCESS_FS_READ_FILE |
    (isDirectory ? LANDLOCK_ACCESS_FS_READ_DIR : 0) |
    (right === 'execute' ? LANDLOCK_ACCESS_FS_EXECUTE : 0)
  // landlock_add_rule(2): EINVAL for a right that the ruleset does not handle.
  attr.bytes.writeUInt32LE(access & handled, 0)
  attr.bytes.writeInt32LE(opened.number, 8)
  must(
    'landlock_add_rule',
    sys6(numberOf('landlock_add_rule'), ruleset.number, LANDLOCK_RULE_PATH_BENEATH, attr.address, 0),
    path,
  )
}

function program(encoded: Uint8Array): { readonly code: Pinned; readonly fprog: Pinned } {
  const code = new Pinned(encoded.length)
  code.bytes.set(encoded)
  const fprog = new Pinned(SOCK_FPROG.size)
  fprog.bytes.writeUInt16LE(encoded.length / 8, SOCK_FPROG.len)
  fprog.bytes.writeBigUInt64LE(BigInt(code.address), SOCK_FPROG.filter)
  return { code, fprog }
}

const ALL_THREADS = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH

export interface InstalledFilter {
  readonly listener: OwnedFd
  readonly waitKillable: boolean
}

/**
 * Installs the filter on all threads of this process and returns its listener. WAIT_KILLABLE_RECV (5.19) keeps a signal
 * from restarting a call that the broker already performed; an older kernel refuses the flag, and is then asked without
 * it.
 */
export function installFilter(encoded: Uint8Array): InstalledFilter {
  return install(encoded, ALL_THREADS)
}

/**
 * Installs the filter on machines where the broker cannot take the listener. `send` must send the listener, in calls
 * that the filter lets through (syscalls/baseline.ts, ENTRY); then the filter `seal` ends those calls. Until then only
 * this thread stands behind the filter. Otherwise, before the listener has a holder, another thread could wait for an
 * answer, and this thread for that one. With the second filter, the other threads get all filters of this one:
 * seccomp(2), TSYNC.
 */
export function installSealed(
  encoded: Uint8Array,
  seal: Uint8Array,
  send: (listener: OwnedFd) => void,
): InstalledFilter {
  const sealing = program(seal)
  const installed = install(encoded, 0)
  send(installed.listener)
  must(
    'seccomp(SECCOMP_SET_MODE_FILTER)',
    sys3(numberOf('seccomp'), SECCOMP_SET_MODE_FILTER, ALL_THREADS, sealing.fprog.address),
    'the second filter',
  )
  return installed
}

function install(encoded: Uint8Array, threads: number): InstalledFilter {
  const { fprog } = program(encoded)
  const flags = threads | SECCOMP_FILTER_FLAG_NEW_LISTENER
  const seccomp = numberOf('seccomp')
  const killable = sys3(seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, fprog.address)
  if (killable >= 0) return { listener: new OwnedFd(killable), waitKillable: true }
  if (killable !== -Errno.EINVAL) must('seccomp(SECCOMP_SET_MODE_FILTER)', killable)
  const plain = must('seccomp(SECCOMP_SET_MODE_FILTER)', sys3(seccomp, SECCOMP_SET_MODE_FILTER, flags, fprog.address))
  return { listener: new OwnedFd(plain), waitKillable: false }
}

/** Installs a filter on the calling thread alone; everything that it starts inherits the filter. */
export function installOnThisThread(encoded: Uint8Array): void {
  const { fprog } = program(encoded)
  must('seccomp(SECCOMP_SET_MODE_FILTER)', sys3(numberOf('seccomp'), SECCOMP_SET_MODE_FILTER, 0, fprog.address))
}

/**
 * Gives this thread a umask and a working directory of its own, apart from the process's: unshare(2). Returns `shared`
 * if a container's profile forbids the call: Docker's does, for any flags, without CAP_SYS_ADMIN.
 */
export function ownFileSystemState(): FileSystemState {
  const result = sys3(numberOf('unshare'), CLONE_FS)
  if (result === -Errno.EPERM || result === -Errno.ENOSYS) return 'shared'
  must('unshare(CLONE_FS)', result)
  return 'own'
}

/**
 * Root's capabilities that the broker's calls on behalf of workers may need: files of other users (CHOWN, DAC_OVERRIDE,
 * DAC_READ_SEARCH, FOWNER, FSETID), signals to workers that changed their ids (KILL), ports below 1024
 * (NET_BIND_SERVICE), and descriptors and memory of a worker that is not dumpable (SYS_PTRACE). capabilities(7).
 */
const KEPT_CAPABILITIES = [0, 1, 2, 3, 4, 5, 10, 19]

/**
 * Makes this process hard to reach. It is not dumpable, so that no other process of this user opens its memory or its
 * descriptors (PR_SET_DUMPABLE, ptrace(2)); it leaves no core; and it keeps only those of root's capabilities that the
 * broker needs. Each thread has its own capabilities, so call this before any thread is started.
 */
export function withdraw(): void {
  setProcessFlag(PR_SET_DUMPABLE, 0)
  noCoreDumps()
  const header = new Pinned(8)
  header.bytes.writeUInt32LE(0x20080522, 0) // _LINUX_CAPABILITY_VERSION_3
  const data = new Pinned(24)
  must('capget', sys3(numberOf('capget'), header.address, data.address))
  const kept = KEPT_CAPABILITIES.reduce((set, capability) => set | (1 << capability), 0)
  // Effective, permitted, inheritable: the lower 32 bits of each, then the upper ones.
  for (const [index, mask] of [kept, kept, 0, 0, 0, 0].entries())
    data.bytes.writeUInt32LE((data.bytes.readUInt32LE(index * 4) & mask) >>> 0, index * 4)
  must('capset', sys3(numberOf('capset'), header.address, data.address))
}

/** capset(2): this thread, and everything that it starts later, holds no capability, even as root. */
export function dropCapabilities(): void {
  const header = new Pinned(8)
  header.bytes.writeUInt32LE(0x20080522, 0) // _LINUX_CAPABILITY_VERSION_3
  const data = new Pinned(24)
  must('capset', sys3(numberOf('capset'), header.address, data.address))
}

/**
 * Prevents core dumps: setrlimit(2). The kernel itself would write a core into the working directory, past every
 * filter. The limit is 1 rather than 0, which also keeps a core from being piped to a program (core(5), fs/coredump.c).
 */
export function noCoreDumps(): void {
  must('prlimit64(RLIMIT_CORE)', limit(RLIMIT_CORE, 1))
}

/**
 * Limits the number of file locks, which no kernel counts, to this number: all that this process starts has the same
 * limit. Who may not raise it and is refused to lower it keeps it. Returns false if a lower limit is in force already.
 */
export function tagProcesses(tag: number): boolean {
  return limit(RLIMIT_LOCKS, tag) === 0
}

function limit(resource: number, most: number): number {
  const memory = new Pinned(16)
  memory.setWord(0, most)
  memory.setWord(8, most)
  return sys6(numberOf('prlimit64'), 0, resource, memory.address, 0)
}

/** prctl(2): orphaned descendants of this process become its own children, however they fork. */
export function adoptOrphans(): void {
  setProcessFlag(PR_SET_CHILD_SUBREAPER, 1)
}

/** Reaps an adopted child that has ended: wait4(2), without waiting. Returns false while the child lives. */
export function reap(pid: number): boolean {
  return sys6(numberOf('wait4'), pid, 0, 1, 0) !== 0
}

/** setpgid(2): puts this process into a group of its own. */
export function ownProcessGroup(): void {
  must('setpgid', sys3(numberOf('setpgid'), 0, 0))
}

/**
 * setsid(2): puts this process into a session and a group of its own. Its descendants are in the group unless they
 * leave, and a signal ends them all. No process joins a group of another session, even if the group that it means is
 * gone, and the number is another's: setpgid(2).
 */
export function ownSession(): void {
  must('setsid', sys3(numberOf('setsid')))
}

/** setpgid(2): joins a group that exists, in the same session. */
export function joinProcessGroup(group: number): void {
  must('setpgid', sys3(numberOf('setpgid'), 0, group))
}

/** prctl(2) with one number as its argument. */
export function setProcessFlag(option: number, value: number): void {
  must(`prctl(${option})`, sys6(numberOf('prctl'), option, value, 0, 0, 0))
}
