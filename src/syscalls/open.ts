/** open(2), openat(2), creat(2), openat2(2): the calls that give a descriptor for a path. */
import type { Arch } from '../abi/arch.js'
import { Errno } from '../abi/errno.js'
import { openFlags, type OpenFlags } from '../abi/open-flags.js'
import type { PathAccess } from '../policy/request.js'
import { whenAwake } from './alone.js'
import { constant, int, path, pathAt, unsigned, word, type Arg, type PathArg } from './args.js'
import { GONE, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { statusOf } from './handle.js'
import { onPath, type Wanted } from './mediate.js'
import { Fail, failed, type Outcome } from './outcome.js'
import { openWithoutWaiting, setFlags, withoutWaiting } from './perform.js'
import type { Place } from './place.js'
import type { Descriptor } from './ports.js'
import { absolute, hasSlash, resolve } from './resolve.js'

interface OpenArgs {
  readonly where: PathArg
  readonly flags: number
  readonly mode: number
}

const PERMISSIONS = 0o7777
/** struct open_how, include/uapi/linux/openat2.h: flags, mode, resolve. */
const OPEN_HOW_SIZE = 24
const PAGE = 4096
const MOST_FLAGS = 256

export function openFamily(arch: Arch): readonly Row[] {
  const O = openFlags(arch)
  const opener = new Opener(O)
  const handle = (call: Call, args: OpenArgs): Reply => opener.open(call, args)
  const family = 'open'
  const creatFlags = constant(O.O_CREAT | O.O_WRONLY | O.O_TRUNC)
  const answer = 'opened beneath a grant and injected'
  return [
    defineSyscall({
      name: 'open',
      family,
      operation: 'open',
      answer,
      args: { where: path(0), flags: int(1), mode: unsigned(2) },
      handle,
    }),
    defineSyscall({
      name: 'openat',
      family,
      operation: 'open',
      answer,
      args: { where: pathAt(0, 1), flags: int(2), mode: unsigned(3) },
      handle,
    }),
    defineSyscall({
      name: 'creat',
      family,
      operation: 'open',
      answer,
      args: { where: path(0), flags: creatFlags, mode: unsigned(1) },
      handle,
    }),
    defineSyscall({
      name: 'openat2',
      family,
      operation: 'open',
      answer,
      args: { where: pathAt(0, 1), how: openHow(2, 3) },
      handle: (call, { where, how }) => opener.openHow(call, where, how),
    }),
  ]
}

interface How {
  readonly flags: bigint
  readonly mode: bigint
  readonly resolve: bigint
}

/** openat2(2): a larger struct than known is valid if the rest is zero. */
function openHow(pointerIndex: number, sizeIndex: number): Arg<How> {
  const pointer = word(pointerIndex)
  const size = word(sizeIndex)
  return (call) => {
    const length = size(call)
    const at = pointer(call)
    if (failed(length) || failed(at)) return Fail.of(Errno.EFAULT)
    if (length < OPEN_HOW_SIZE) return Fail.of(Errno.EINVAL)
    if (length > PAGE) return Fail.of(Errno.E2BIG)
    const bytes = call.target.readBytes(at, length)
    if (failed(bytes)) return bytes
    if (bytes.subarray(OPEN_HOW_SIZE).some((byte) => byte !== 0)) return Fail.of(Errno.E2BIG)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    return { flags: view.getBigUint64(0, true), mode: view.getBigUint64(8, true), resolve: view.getBigUint64(16, true) }
  }
}

class Opener {
  readonly #known: number
  /** The requested access, cached: it follows from the flags alone. */
  readonly #wanted = new Map<number, Wanted>()
  readonly #tmpfile: number

  constructor(readonly O: OpenFlags) {
    // A kernel without O_EMPTYPATH would refuse it: openat2(2) refuses unknown flags. No empty path is opened here.
    this.#known = Object.values(O).reduce((all, bit) => all | bit, 0) & ~O.O_EMPTYPATH
    this.#tmpfile = O.O_TMPFILE & ~O.O_DIRECTORY
  }

  open(call: Call, { where, flags: raw, mode: rawMode }: OpenArgs): Reply {
    const { O } = this
    // open(2) ignores unknown flags and, with O_PATH, all but three; openat2(2) would refuse them.
    let flags = raw & this.#known
    if ((flags & O.O_PATH) !== 0) flags &= O.O_PATH | O.O_DIRECTORY | O.O_NOFOLLOW | O.O_CLOEXEC
    const creates = this.#creates(flags)
    if (creates && (flags & O.O_CREAT) !== 0 && (flags & O.O_DIRECTORY) !== 0) return Fail.of(Errno.EINVAL)
    return this.#dispatch(call, where, flags, creates ? rawMode & PERMISSIONS : 0)
  }

  openHow(call: Call, where: PathArg, how: How): Reply {
    const { O } = this
    if (how.flags > 0x7fffffffn || (Number(how.flags) & ~this.#known) !== 0) return Fail.of(Errno.EINVAL)
    const flags = Number(how.flags)
    if (how.mode > BigInt(PERMISSIONS) || (how.mode !== 0n && !this.#creates(flags))) return Fail.of(Errno.EINVAL)
    if ((flags & O.O_PATH) !== 0 && (flags & ~(O.O_PATH | O.O_DIRECTORY | O.O_NOFOLLOW | O.O_CLOEXEC)) !== 0) {
      return Fail.of(Errno.EINVAL)
    }
    // The resolve flags need the kernel's own walk. Callers fall back to openat, as on a kernel without openat2.
    if (how.resolve !== 0n) return Fail.of(how.resolve > 0x3fn ? Errno.EINVAL : Errno.ENOSYS)
    return this.#dispatch(call, where, flags, Number(how.mode))
  }

  #creates(flags: number): boolean {
    return (flags & (this.O.O_CREAT | this.#tmpfile)) !== 0
  }

  #dispatch(call: Call, where: PathArg, flags: number, mode: number): Reply {
    const { O } = this
    if ((flags & O.O_CREAT) !== 0 && hasSlash(where.text)) return asDirectory(call, where)
    const anew = (): Reply => this.#dispatch(call, where, flags, mode)
    return onPath(call, where, this.#wantedFor(flags), (place) => {
      if (!this.#creates(flags)) return this.#openAt(call, place, flags, mode, 0, anew)
      return whenAwake(
        call,
        place,
        () => {
          const umask = call.target.umask()
          return failed(umask) ? umask : this.#openAt(call, place, flags, mode, umask, anew)
        },
        anew,
      )
    })
  }

  #wantedFor(flags: number): Wanted {
    const known = this.#wanted.get(flags)
    if (known !== undefined) return known
    const { O } = this
    const keep = (flags & O.O_NOFOLLOW) !== 0 || (flags & (O.O_CREAT | O.O_EXCL)) === (O.O_CREAT | O.O_EXCL)
    const wanted: Wanted = {
      access: this.#accessOf(flags),
      last: keep ? 'keep' : 'follow',
      descriptor: (call, fd) => this.#reopen(call, fd, flags),
      ...((flags & O.O_EXCL) !== 0 && (flags & O.O_CREAT) !== 0 ? { ifThere: Errno.EEXIST } : {}),
      makes: this.#creates(flags),
      lists: this.#accessOf(flags) === 'read',
      ...(this.#mayCreate(flags) ? { ifThereAccess: this.#accessOf(flags & ~O.O_CREAT) } : {}),
    }
    // Real programs use a few dozen combinations.
    if (this.#wanted.size >= MOST_FLAGS) this.#wanted.clear()
    this.#wanted.set(flags, wanted)
    return wanted
  }

  #accessOf(flags: number): PathAccess {
    const { O } = this
    if (this.#creates(flags)) return 'write'
    if ((flags & O.O_ACCMODE) !== O.O_RDONLY || (flags & O.O_TRUNC) !== 0) return 'content'
    // With O_DIRECTORY the kernel opens only directories.
    return (flags & O.O_DIRECTORY) === 0 ? 'read' : 'list'
  }

  /** True if the call creates the file only if it is missing: for an existing file, the right to open it is enough. */
  #mayCreate(flags: number): boolean {
    return (flags & this.O.O_CREAT) !== 0 && (flags & (this.#tmpfile | this.O.O_EXCL)) === 0
  }

  /** `anew` makes the whole call again if it has waited, and another policy is in force by then. */
  #openAt(call: Call, place: Place, flags: number, mode: number, umask: number, anew: () => Reply): Reply {
    const { O } = this
    const decidedBy = call.policy
    const { access } = place.granted.request
    const mayCreate = access === 'write'
    // The decision was made for a directory: a file that has taken its place must not be opened.
    const allowed = (mayCreate ? flags : flags & ~O.O_CREAT) | (access === 'list' ? O.O_DIRECTORY : 0)
    if ((flags & O.O_PATH) !== 0) return this.#openStandIn(call, place, flags, anew)
    const open = (): Reply => {
      if (call.policy !== decidedBy) return anew()
      const how = { flags: allowed, mode: mayCreate ? mode : 0, umask }
      return this.#opened(call, place, flags, allowed, openWithoutWaiting(call.kernel, O, place, how), open)
    }
    // Of a new file nothing has to be freed.
    const emptied =
      (flags & O.O_TRUNC) === 0 || (flags & O.O_EXCL) !== 0
        ? undefined
        : call.kernel.openToEmpty(place, withoutWaiting(O, allowed))
    if (emptied === undefined) return open()
    return emptied.reply((opened) =>
      failed(opened) && opened.errno === Errno.ENOENT
        ? open()
        : this.#opened(call, place, flags, allowed, opened, open),
    )
  }

  #opened(
    call: Call,
    place: Place,
    flags: number,
    allowed: number,
    opened: Outcome<Descriptor>,
    again: () => Reply,
  ): Reply {
    const { O } = this
    if (failed(opened)) {
      // A blocking open for writing waits for a reader: fifo(7).
      return opened.errno === Errno.ENXIO && this.#waitsForReader(call, place, flags)
        ? { kind: 'later', again, cancel: () => {} }
        : opened
    }
    if ((flags & O.O_NONBLOCK) === 0 || (flags & O.O_CREAT) !== (allowed & O.O_CREAT)) {
      const facts = call.kernel.facts(opened)
      if (failed(facts)) return closing(opened, facts)
      // open(2): O_CREAT never opens a directory, even an existing one.
      if ((flags & O.O_CREAT) !== 0 && facts.kind === 'directory') return closing(opened, Fail.of(Errno.EISDIR))
      if (
        facts.kind === 'fifo' &&
        (flags & (O.O_ACCMODE | O.O_NONBLOCK)) === O.O_RDONLY &&
        !call.kernel.fifoHasWriter(opened)
      ) {
        return this.#laterReader(call, opened, flags)
      }
      return this.#give(call, place, setFlags(call.kernel, O, opened, flags), flags)
    }
    return this.#give(call, place, opened, flags)
  }

  /**
   * Opens a stand-in for O_PATH, because the kernel injects no O_PATH descriptor (fget in SECCOMP_IOCTL_NOTIF_ADDFD):
   * for a file or a directory, a descriptor for reading. Opening anything else would do more than look at it.
   */
  #openStandIn(call: Call, place: Place, flags: number, anew: () => Reply): Reply {
    const { O } = this
    const handle = call.kernel.handle(place, (flags & O.O_NOFOLLOW) === 0 ? 'follow' : 'keep')
    if (failed(handle)) return handle
    const facts = call.kernel.facts(handle)
    handle.close()
    if (failed(facts)) return facts
    if (facts.kind !== 'regular' && facts.kind !== 'directory') return Fail.of(Errno.EACCES)
    return this.#openAt(call, place, flags & ~O.O_PATH, 0, 0, anew)
  }

  #give(call: Call, place: Place, opened: Outcome<Descriptor>, flags: number): Reply {
    if (failed(opened)) return opened
    // Below /proc/<pid> the name is a number that may have a new owner since it was read.
    if (place.path.startsWith('/proc/') && !call.target.stillWaiting()) {
      opened.close()
      return GONE
    }
    return this.#descriptor(opened, flags)
  }

  #descriptor(opened: Outcome<Descriptor>, flags: number): Reply {
    return failed(opened) ? opened : { kind: 'descriptor', fd: opened, cloexec: (flags & this.O.O_CLOEXEC) !== 0 }
  }

  #waitsForReader(call: Call, place: Place, flags: number): boolean {
    const { O } = this
    if ((flags & O.O_ACCMODE) !== O.O_WRONLY || (flags & O.O_NONBLOCK) !== 0) return false
    const handle = call.kernel.handle(place, 'follow')
    if (failed(handle)) return false
    const facts = call.kernel.facts(handle)
    handle.close()
    return !failed(facts) && facts.kind === 'fifo'
  }

  /**
   * Waits for a writer, as a blocking open for reading does: fifo(7). The reader's end stays open meanwhile, for the
   * writer to find.
   */
  #laterReader(call: Call, opened: Descriptor, flags: number): Reply {
    const waiting: Reply = {
      kind: 'later',
      cancel: () => opened.close(),
      keeps: { descriptors: 1, bytes: 0 },
      again: () => {
        if (!call.kernel.fifoHasWriter(opened)) return waiting
        return this.#descriptor(setFlags(call.kernel, this.O, opened, flags), flags)
      },
    }
    return waiting
  }

  /**
   * Opens `/proc/self/fd/N` of an object without a path: a new open of what the target already holds, with no more
   * rights than its descriptor has.
   */
  #reopen(call: Call, fd: number, flags: number): Reply {
    const { O } = this
    const held = call.target.fileOf(fd)
    if (failed(held)) return Fail.of(Errno.ENOENT)
    const status = statusOf(call, fd, held)
    if (failed(status)) return closing(held, status)
    if ((status & O.O_PATH) !== 0 || !covers(O, status, flags)) {
      held.close()
      const pid = call.target.pid()
      if (failed(pid)) return pid
      call.record({
        outcome: 'forbidden',
        violation: true,
        why: 'a descriptor cannot be reopened through /proc/self/fd with more rights than it has',
      })
      return Fail.of(Errno.EACCES)
    }
    const opened = call.kernel.reopen(
      held,
      (flags & ~(O.O_CREAT | O.O_EXCL)) | O.O_NONBLOCK | O.O_NOCTTY | O.O_LARGEFILE,
    )
    held.close()
    const isAsWanted = failed(opened) || (flags & O.O_NONBLOCK) !== 0
    return this.#descriptor(isAsWanted ? opened : setFlags(call.kernel, O, opened, flags), flags)
  }
}

/** Refuses to create under a name with a slash behind it, even if it exists: fs/namei.c, open_last_lookups. */
function asDirectory(call: Call, where: PathArg): Reply {
  const text = absolute(call, { ...where, text: where.text.replace(/[^/]*\/+$/, '.') })
  const parent = failed(text) ? text : resolve(call, text, 'follow')
  if (failed(parent)) return parent
  return Fail.of(parent.kind === undefined ? Errno.ENOENT : Errno.EISDIR)
}

function covers(O: OpenFlags, held: number, wanted: number): boolean {
  const mode = held & O.O_ACCMODE
  const writes = (wanted & O.O_ACCMODE) !== O.O_RDONLY || (wanted & O.O_TRUNC) !== 0
  const reads = (wanted & O.O_ACCMODE) !== O.O_WRONLY
  return (!writes || mode !== O.O_RDONLY) && (!reads || mode !== O.O_WRONLY)
}

export function closing(fd: Descriptor, reply: Reply): Reply {
  fd.close()
  return reply
}
