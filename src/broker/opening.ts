/**
 * Opens one resource. A policy that holds only the resource's own entry decides it, and no other request of the worker
 * uses that policy: a name grants a descriptor, not an address.
 */
import type { Arch } from '../abi/arch.js'
import { Errno } from '../abi/errno.js'
import { openFlags } from '../abi/open-flags.js'
import { AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from '../abi/socket.js'
import { textOf } from '../policy/canonical.js'
import { parseIp } from '../policy/ip.js'
import { compilePolicy, decide, ownPolicy, type ListenUse, type PathRule, type ResourceUse } from '../policy/policy.js'
import type { AccessRequest, SocketAddress, SocketRequest } from '../policy/request.js'
import { showAddress } from '../policy/words.js'
import type { Acquired } from '../protocol.js'
import { addressBytes } from '../syscalls/addresses.js'
import type { OwnAddresses } from '../syscalls/call.js'
import { Endpoint } from '../syscalls/endpoint.js'
import { Fail, failed, type Outcome } from '../syscalls/outcome.js'
import {
  bindName,
  finishConnecting,
  isUnderWay,
  noteInternet,
  noteUnix,
  openWithoutWaiting,
  setFlags,
} from '../syscalls/perform.js'
import { Place } from '../syscalls/place.js'
import type { Descriptor, Kernel } from '../syscalls/ports.js'
import type { PairRequest } from './ledger.js'

/** The mode of a file that a resource makes: what open(2) gives by default, with the usual mask. */
const NEW_FILE = { mode: 0o666, umask: 0o022 } as const

/** A descriptor to hand over. With `keep`, the broker's copy stays open. */
export interface Given {
  readonly fd: Descriptor
  readonly acquired: Omit<Acquired, 'name' | 'kind'>
  /** The request that the policy allowed. */
  readonly request: AccessRequest | PairRequest
  readonly keep?: boolean
  /** The file's identity, for a listener with a path. */
  readonly file?: string
}

/** Opened, failed, or pending: then `again` or `cancel` is called. */
export type Opened = Outcome<Given> | { readonly again: () => Opened; readonly cancel: () => void }

export interface OpeningParts {
  readonly arch: Arch
  readonly kernel: Kernel
  readonly own: OwnAddresses
  /** The process id of the worker. */
  readonly pid: number
  /** Called when a directory is acquired: files in it may then be used by their paths as well. */
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
    const how = { flags: purpose, ...(create ? NEW_FILE : { mode: 0, umask: 0 }) }
    const opened = openWithoutWaiting(kernel, O, new Place(verdict.granted, pid, false), how)
    if (failed(opened)) return opened
    const facts = kernel.facts(opened)
    const wrong = failed(facts) ? facts : wrongKind(isDirectory, facts.kind)
    if (wrong !== undefined) opened.close()
    const fd = wrong ?? setFlags(kernel, O, opened, purpose)
    if (failed(fd)) return fd
    if (isDirectory) this.parts.entered(rule)
    return { fd, request, acquired: { path: textOf(rule.root) } }
  }

  // --- connections

  /** Tries each address in turn, until one answers. */
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
    if (!isFull && !isUnderWay(connected)) return next(connected)
    const waiting: Opened = {
      cancel: () => fd.close(),
      again: () => {
        // EAGAIN: the queue of a unix listener is full, and nothing is under way: connect again.
        if (isFull) {
          const tried = sockets.connect(fd, to)
          if (!failed(tried)) return given
          return tried.errno === Errno.EAGAIN ? waiting : next(tried)
        }
        const ended = finishConnecting(sockets, fd, domainOf(address))
        return ended === 'under way' ? waiting : failed(ended) ? next(ended) : given
      },
    }
    return waiting
  }

  /** A socket of the right family, and the address that was decided. */
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

  listen(use: ListenUse): Opened {
    const { kernel } = this.parts
    const made = this.#socketFor(use, { kind: 'socket', access: 'listen', address: use.address })
    if (failed(made)) return made
    const { fd, to } = made
    if (to.place === undefined) return this.#listen(use, fd, () => this.#bind(use, fd, to))
    const held = kernel.hold(to.place, to.place)
    if (failed(held) || held === 'taken') fd.close()
    if (failed(held)) return held
    if (held === 'taken') return { again: () => this.listen(use), cancel: () => {} }
    using names = held
    return this.#listen(use, fd, () => bindName(kernel, fd, names.to, NEW_FILE.umask))
  }

  /**
   * Binds a socket, with SO_REUSEADDR for TCP as every server does: connections of the run before may still be in
   * TIME_WAIT. Datagram sockets would share the port, so they do not get it.
   */
  #bind(use: ListenUse, fd: Descriptor, to: Endpoint): Outcome<{ readonly file?: Outcome<string> }> {
    const { sockets } = this.parts.kernel
    const isTcp = use.address.family === 'inet' && !isUdp(use.address)
    const reusing = isTcp ? sockets.share(fd, 'address', true) : true
    const bound = failed(reusing) ? reusing : sockets.bind(fd, to, 0)
    return failed(bound) ? bound : {}
  }

  #listen(use: ListenUse, fd: Descriptor, bind: () => Outcome<{ readonly file?: Outcome<string> }>): Outcome<Given> {
    const bound = bind()
    const file = failed(bound) ? bound : bound.file
    const listening = failed(file) || isUdp(use.address) ? file : this.parts.kernel.sockets.listen(fd, use.backlog)
    const given = failed(file) ? file : failed(listening) ? listening : this.claimed(use, fd, file)
    if (failed(given)) fd.close()
    return given
  }

  /**
   * Hands over a listener. A test may connect to it as if it had made it itself. `file`: the identity of the file that
   * binding made.
   */
  claimed(use: ListenUse, fd: Descriptor, file: string | undefined): Outcome<Given> {
    const { address } = use
    const request: SocketRequest = { kind: 'socket', access: 'listen', address }
    const given = (shown: SocketAddress): Given => ({
      fd,
      keep: true,
      request,
      ...(file === undefined ? {} : { file }),
      acquired: { address: showAddress(shown), ...(isUdp(shown) ? { bound: true } : {}) },
    })
    if (address.family === 'inet') {
      const local = noteInternet(this.parts, fd, address.protocol, 'broker')
      return failed(local) ? local : given({ ...address, host: local.host, port: local.port })
    }
    if (address.family === 'abstract') this.parts.own.addAbstract(address.name, 'broker')
    else {
      const verdict = decide(compilePolicy(ownPolicy(use)), request)
      if (!verdict.allowed) return Fail.of(Errno.EACCES)
      noteUnix(this.parts, fd, new Place(verdict.granted, this.parts.pid, false), address.path, file)
    }
    return given(address)
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
