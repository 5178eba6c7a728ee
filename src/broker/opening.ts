/**
 * Opens one resource, on a decision by a policy that holds its own entry and nothing else, and that no other request of the
 * worker meets: a name grants a descriptor, not an address.
 */
import type { Arch } from '../abi/arch.js'
import { Errno } from '../abi/errno.js'
import { openFlags } from '../abi/open-flags.js'
import { AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from '../abi/socket.js'
import { parseIp } from '../policy/ip.js'
import { compilePolicy, decide, ownPolicy, type ListenUse, type PathRule, type ResourceUse } from '../policy/policy.js'
import type { AccessRequest, BytePath, SocketAddress, SocketRequest } from '../policy/request.js'
import { showAddress } from '../policy/words.js'
import type { Acquired } from '../protocol.js'
import { addressBytes, parseAddress } from '../syscalls/addresses.js'
import type { OwnAddresses } from '../syscalls/call.js'
import { Endpoint } from '../syscalls/endpoint.js'
import { Fail, failed, type Outcome } from '../syscalls/outcome.js'
import { Place } from '../syscalls/place.js'
import type { Descriptor, Kernel } from '../syscalls/ports.js'
import type { PairRequest } from './ledger.js'
import type { Mutex } from './mutex.js'

/** A file that a resource makes: what open(2) gives by default, with the mask that is usual. */
const NEW_FILE = { mode: 0o666, umask: 0o022 } as const

/** What is handed over; `keep`: the broker's copy stays. */
export interface Given {
  readonly fd: Descriptor
  readonly acquired: Omit<Acquired, 'name' | 'kind'>
  /** What was asked of the policy. */
  readonly request: AccessRequest | PairRequest
  readonly keep?: boolean
  /** Of a listener with a path: which file it is. */
  readonly file?: string
}

/** Opened, failed, or not yet: then it is asked again, or cancelled. */
export type Opened = Outcome<Given> | { readonly again: () => Opened; readonly cancel: () => void }

export interface OpeningParts {
  readonly arch: Arch
  readonly kernel: Kernel
  readonly own: OwnAddresses
  readonly mutex: Mutex
  /** The worker's process. */
  readonly pid: number
  /** A directory was acquired: what lies in it may be used by its path as well. */
  entered(rule: PathRule): void
}

export class Opening {
  constructor(readonly parts: OpeningParts) {}

  // --- files

  file(use: Extract<ResourceUse, { how: 'open' }>): Opened {
    const { rule, access, create, truncate, append } = use
    const O = openFlags(this.parts.arch)
    const { kernel, pid } = this.parts
    const request: AccessRequest = { kind: 'path', access, path: rule.root }
    const verdict = decide(compilePolicy(ownPolicy(use)), request)
    if (!verdict.allowed) return Fail.of(Errno.EACCES)
    const isDirectory = rule.shape === 'tree'
    const purpose = isDirectory
      ? O.O_DIRECTORY
      : access === 'read'
        ? O.O_RDONLY
        : O.O_RDWR | (create ? O.O_CREAT : 0) | (truncate ? O.O_TRUNC : 0) | (append ? O.O_APPEND : 0)
    const flags = purpose | O.O_LARGEFILE
    const opened = kernel.open(new Place(verdict.granted, pid, false), {
      flags: flags | O.O_NONBLOCK | O.O_NOCTTY,
      ...(create ? NEW_FILE : { mode: 0, umask: 0 }),
    })
    if (failed(opened)) return opened
    const facts = kernel.facts(opened)
    const wrong = failed(facts) ? facts : wrongKind(isDirectory, facts.kind)
    const set = wrong ?? kernel.setStatusFlags(opened, flags)
    if (failed(set)) {
      opened.close()
      return set
    }
    if (isDirectory) this.parts.entered(rule)
    return { fd: opened, request, acquired: { path: textOf(rule.root) } }
  }

  // --- connections

  /** Each address in turn, until one answers. */
  connect(use: Extract<ResourceUse, { how: 'connect' }>, index = 0, before = Fail.of(Errno.EADDRNOTAVAIL)): Opened {
    const address = use.addresses[index]
    if (address === undefined) return before
    const { sockets } = this.parts.kernel
    const request: SocketRequest = { kind: 'socket', access: 'connect', address }
    const made = this.#socketFor(use, request)
    if (failed(made)) return made
    const { fd, to } = made
    const given: Given = {
      fd,
      request,
      acquired: { address: showAddress(address), ...(isUdp(address) ? { bound: false } : {}) },
    }
    const next = (failure: Fail): Opened => {
      fd.close()
      return this.connect(use, index + 1, failure)
    }
    const connected = sockets.connect(fd, to)
    if (!failed(connected)) return given
    const isFull = connected.errno === Errno.EAGAIN
    if (!isFull && connected.errno !== Errno.EINPROGRESS) return next(connected)
    const waiting: Opened = {
      cancel: () => fd.close(),
      again: () => {
        // EAGAIN: the queue of a unix listener is full, and nothing is under way; it has to be tried again.
        if (isFull) {
          const tried = sockets.connect(fd, to)
          if (!failed(tried)) return given
          return tried.errno === Errno.EAGAIN ? waiting : next(tried)
        }
        if (!sockets.isReady(fd, 'out')) return waiting
        const error = sockets.pendingError(fd)
        return error === 0 ? given : next(Fail.of(error))
      },
    }
    return waiting
  }

  /** A socket of the right family, and the address as one that was decided. */
  #socketFor(
    use: Extract<ResourceUse, { how: 'connect' | 'listen' }>,
    request: SocketRequest,
  ): Outcome<{ fd: Descriptor; to: Endpoint }> {
    const verdict = decide(compilePolicy(ownPolicy(use)), request)
    if (!verdict.allowed) return Fail.of(Errno.EACCES)
    const { address } = request
    const to =
      address.family === 'unix'
        ? Endpoint.at(new Place(verdict.granted, this.parts.pid, false))
        : endpointOf(verdict.granted, address)
    if (failed(to)) return to
    const fd = this.parts.kernel.sockets.create(
      domainOf(address),
      (isUdp(address) ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK,
      0,
    )
    return failed(fd) ? fd : { fd, to }
  }

  // --- listeners

  /** Which file binding made is looked up after it was made: no other worker may put another one there meanwhile. */
  listen(use: ListenUse): Opened {
    const { mutex } = this.parts
    if (use.address.family !== 'unix') return this.#listen(use)
    if (!mutex.tryLock()) return { again: () => this.listen(use), cancel: () => {} }
    try {
      return this.#listen(use)
    } finally {
      mutex.unlock()
    }
  }

  #listen(use: ListenUse): Outcome<Given> {
    const { sockets } = this.parts.kernel
    const made = this.#socketFor(use, { kind: 'socket', access: 'listen', address: use.address })
    if (failed(made)) return made
    const { fd, to } = made
    // As every server does: the connections of the run before may still be in TIME_WAIT. Among datagrams it would share the port.
    const isTcp = use.address.family === 'inet' && !isUdp(use.address)
    const reusing = isTcp ? sockets.share(fd, 'address', true) : true
    const bound = failed(reusing) ? reusing : sockets.bind(fd, to, NEW_FILE.umask)
    const listening = failed(bound) || isUdp(use.address) ? bound : sockets.listen(fd, use.backlog)
    const file =
      failed(listening) || use.address.family !== 'unix' ? undefined : this.parts.kernel.identityOf(use.address.path)
    const given = failed(listening)
      ? listening
      : file !== undefined && failed(file)
        ? file
        : this.claimed(use, fd, file)
    if (failed(given)) fd.close()
    return given
  }

  /** What a test listens on it may connect to, as if it had made the socket itself. `file`: what binding made. */
  claimed(use: ListenUse, fd: Descriptor, file: string | undefined): Outcome<Given> {
    const {
      kernel: { sockets },
      own,
      pid,
    } = this.parts
    const request: SocketRequest = { kind: 'socket', access: 'listen', address: use.address }
    const given = (address: SocketAddress): Given => ({
      fd,
      keep: true,
      request,
      ...(file === undefined ? {} : { file }),
      acquired: { address: showAddress(address), ...(isUdp(address) ? { bound: true } : {}) },
    })
    if (use.address.family === 'abstract') own.addAbstract(use.address.name, 'broker')
    if (use.address.family === 'unix') {
      const verdict = decide(compilePolicy(ownPolicy(use)), request)
      if (!verdict.allowed) return Fail.of(Errno.EACCES)
      const cookie = sockets.cookie(fd)
      if (!failed(cookie)) own.addName(use.address.path, cookie)
      if (file !== undefined) own.addUnix(new Place(verdict.granted, pid, false).decided, verdict.granted, file)
    }
    if (use.address.family !== 'inet') return given(use.address)
    const bytes = sockets.localAddress(fd)
    const cookie = sockets.cookie(fd)
    if (failed(bytes)) return bytes
    if (failed(cookie)) return cookie
    const local = parseAddress(bytes)
    if (failed(local)) return local
    if (local.family !== 'inet') return Fail.of(Errno.EAFNOSUPPORT)
    own.addInternet(use.address.protocol, local.port, cookie, 'broker')
    return given({ family: 'inet', protocol: use.address.protocol, host: local.host, port: local.port })
  }
}

function endpointOf(
  granted: Parameters<typeof Endpoint.of>[0],
  address: Exclude<SocketAddress, { family: 'unix' }>,
): Outcome<Endpoint> {
  const bytes = addressBytes(address)
  return failed(bytes) ? bytes : Endpoint.of(granted, bytes)
}

function wrongKind(wantsDirectory: boolean, kind: string): Fail | undefined {
  if (wantsDirectory) return kind === 'directory' ? undefined : Fail.of(Errno.ENOTDIR)
  if (kind === 'directory') return Fail.of(Errno.EISDIR)
  // A FIFO would wait for its other end, and a socket cannot be opened.
  return kind === 'regular' || kind === 'device' ? undefined : Fail.of(Errno.EINVAL)
}

function domainOf(address: SocketAddress): number {
  if (address.family !== 'inet') return AF_UNIX
  return parseIp(address.host)?.length === 4 ? AF_INET : AF_INET6
}

function isUdp(address: SocketAddress): boolean {
  return address.family === 'inet' && address.protocol === 'udp'
}

/** As a Node string. */
export function textOf(path: BytePath): string {
  return Buffer.from(path, 'latin1').toString('utf8')
}
