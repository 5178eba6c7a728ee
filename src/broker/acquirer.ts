/**
 * Opens what a worker acquires by name. Each resource is decided by a policy that holds its own entry and nothing else,
 * and that no other request of the worker meets: a name grants a descriptor, not an address.
 */
import { Errno, errnoName } from '../abi/errno.js'
import { openFlags } from '../abi/open-flags.js'
import { AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from '../abi/socket.js'
import type { Arch } from '../abi/arch.js'
import { parseIp } from '../policy/ip.js'
import { nearest, oneOf, quote } from '../policy/nearest.js'
import { compilePolicy, decide, kindOfUse, ownPolicy, type ListenUse, type PathRule, type Resource, type ResourceUse } from '../policy/policy.js'
import { rawPath, showPath, type BytePath, type SocketAddress, type SocketRequest } from '../policy/request.js'
import { showAddress } from '../policy/words.js'
import { acquiredFrame, ErrorCode, readAcquire, type Acquired, type Frame } from '../protocol.js'
import { addressBytes, parseAddress } from '../syscalls/addresses.js'
import type { OwnAddresses } from '../syscalls/call.js'
import { Endpoint } from '../syscalls/endpoint.js'
import { Fail, failed, type Outcome } from '../syscalls/outcome.js'
import { Place } from '../syscalls/place.js'
import type { Descriptor, Kernel } from '../syscalls/ports.js'
import type { Answer } from './channel.js'
import type { Asked, Sharing } from './sharing.js'

/** A file that a resource makes: what open(2) gives by default, with the mask that is usual. */
const NEW_FILE = { mode: 0o666, umask: 0o022 } as const

export interface AcquirerParts {
  readonly arch: Arch
  readonly kernel: Kernel
  readonly own: OwnAddresses
  /** The worker's process. */
  readonly pid: number
  readonly sharing: Sharing
  /** A name that nothing grants was asked for. */
  refused(name: string, near: string | undefined): void
  /** A directory was acquired: what lies in it may be used by its path as well. */
  entered(rule: PathRule): void
}

/** What is handed over; `keep`: the broker's copy stays. */
interface Given {
  readonly fd: Descriptor
  readonly acquired: Omit<Acquired, 'name' | 'kind'>
  readonly keep?: boolean
}

type Opened = Outcome<Given> | { readonly again: () => Opened; readonly cancel: () => void }

export class Acquirer {
  #resources: ReadonlyMap<string, Resource> = new Map()
  /** What this worker listens on, by what its entry says: for as long as the worker lives. */
  readonly #listening = new Map<string, Given>()

  constructor(readonly parts: AcquirerParts) {}

  set(resources: readonly Resource[]): void {
    this.#resources = new Map(resources.map((resource) => [resource.name, resource]))
  }

  close(): void {
    for (const { fd } of this.#listening.values()) fd.close()
    this.#listening.clear()
  }

  answer(frame: Frame): Answer {
    const name = readAcquire(frame)
    if (name === undefined) return refusal(ErrorCode.malformed, 'the name of a resource begins with a letter and has at most 64 letters, digits, _, - and .')
    const resource = this.#resources.get(name)
    if (resource === undefined) return this.#ungranted(name)
    return this.#finish(frame.id, resource, this.#open(resource))
  }

  #ungranted(name: string): Answer {
    const names = [...this.#resources.keys()]
    const near = nearest(name, names)
    this.parts.refused(name, near)
    const known = names.length === 0 ? 'it has none' : `it has ${oneOf(names.slice(0, 20)).replace(/ or /, ' and ')}`
    const hint = near === undefined ? known : `did you mean ${quote(near)}?`
    return refusal(ErrorCode.ungranted, `this test file has no resource ${quote(name)}: ${hint}`)
  }

  #finish(id: number, resource: Resource, opened: Opened): Answer {
    if (failed(opened)) {
      const text = `the resource ${quote(resource.name)} (${describe(resource.use)}) could not be opened: ${errnoName(opened.errno)}`
      return { kind: 'refused', refused: { code: ErrorCode.unavailable, errno: opened.errno, text } }
    }
    if ('again' in opened) {
      return { kind: 'later', cancel: opened.cancel, again: () => this.#finish(id, resource, opened.again()) }
    }
    const { fd, acquired, keep = false } = opened
    const packet = acquiredFrame(id, { name: resource.name, kind: kindOfUse(resource.use), ...acquired })
    return { kind: 'ready', packet, fd, keep }
  }

  #open({ name, use }: Resource): Opened {
    switch (use.how) {
      case 'open': return this.#openFile(use)
      case 'connect': return this.#connect(use, 0, Fail.of(Errno.EADDRNOTAVAIL))
      case 'listen': return use.share === 'run' ? this.#shared(use) : this.#ownListener(use)
      case 'pair': return this.#pair(name, use.pair)
      default: return use satisfies never
    }
  }

  // --- files

  #openFile(use: Extract<ResourceUse, { how: 'open' }>): Opened {
    const { rule, access, create, truncate, append } = use
    const O = openFlags(this.parts.arch)
    const { kernel, pid } = this.parts
    const verdict = decide(compilePolicy(ownPolicy(use)), { kind: 'path', access, path: rule.root })
    if (!verdict.allowed) return Fail.of(Errno.EACCES)
    const isDirectory = rule.shape === 'tree'
    const purpose = isDirectory ? O.O_DIRECTORY
      : access === 'read' ? O.O_RDONLY
        : O.O_RDWR | (create ? O.O_CREAT : 0) | (truncate ? O.O_TRUNC : 0) | (append ? O.O_APPEND : 0)
    const flags = purpose | O.O_LARGEFILE
    const opened = kernel.open(new Place(verdict.granted, pid, false), {
      flags: flags | O.O_NONBLOCK | O.O_NOCTTY, ...(create ? NEW_FILE : { mode: 0, umask: 0 }),
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
    return { fd: opened, acquired: { path: textOf(rule.root) } }
  }

  // --- connections

  #connect(use: Extract<ResourceUse, { how: 'connect' }>, index: number, before: Fail): Opened {
    const address = use.addresses[index]
    if (address === undefined) return before
    const { sockets } = this.parts.kernel
    const made = this.#socketFor(use, { kind: 'socket', access: 'connect', address })
    if (failed(made)) return made
    const { fd, to } = made
    const given: Given = { fd, acquired: { address: showAddress(address), ...(isUdp(address) ? { bound: false } : {}) } }
    const next = (failure: Fail): Opened => {
      fd.close()
      return this.#connect(use, index + 1, failure)
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
  #socketFor(use: Extract<ResourceUse, { how: 'connect' | 'listen' }>, request: SocketRequest): Outcome<{ fd: Descriptor; to: Endpoint }> {
    const verdict = decide(compilePolicy(ownPolicy(use)), request)
    if (!verdict.allowed) return Fail.of(Errno.EACCES)
    const { address } = request
    const to = address.family === 'unix' ? Endpoint.at(new Place(verdict.granted, this.parts.pid, false))
      : endpointOf(verdict.granted, address)
    if (failed(to)) return to
    const fd = this.parts.kernel.sockets.create(domainOf(address), (isUdp(address) ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0)
    return failed(fd) ? fd : { fd, to }
  }

  // --- listeners

  #ownListener(use: ListenUse): Opened {
    const key = JSON.stringify(use)
    const known = this.#listening.get(key)
    if (known !== undefined) return known
    const made = this.#listen(use)
    if (!failed(made)) this.#listening.set(key, made)
    return made
  }

  #listen(use: ListenUse): Outcome<Given> {
    const { sockets } = this.parts.kernel
    const made = this.#socketFor(use, { kind: 'socket', access: 'listen', address: use.address })
    if (failed(made)) return made
    const { fd, to } = made
    const bound = sockets.bind(fd, to, NEW_FILE.umask)
    const listening = failed(bound) || isUdp(use.address) ? bound : sockets.listen(fd, use.backlog)
    const given = failed(listening) ? listening : this.#claimed(use, fd)
    if (failed(given)) fd.close()
    return given
  }

  /** What a test listens on it may connect to, as if it had made the socket itself. */
  #claimed(use: ListenUse, fd: Descriptor): Outcome<Given> {
    const { kernel: { sockets }, own, pid } = this.parts
    const given = (address: SocketAddress): Given =>
      ({ fd, keep: true, acquired: { address: showAddress(address), ...(isUdp(address) ? { bound: true } : {}) } })
    if (use.address.family === 'abstract') own.addAbstract(use.address.name)
    if (use.address.family === 'unix') {
      const verdict = decide(compilePolicy(ownPolicy(use)), { kind: 'socket', access: 'listen', address: use.address })
      if (!verdict.allowed) return Fail.of(Errno.EACCES)
      own.addUnix(new Place(verdict.granted, pid, false).decided, verdict.granted)
    }
    if (use.address.family !== 'inet') return given(use.address)
    const bytes = sockets.localAddress(fd)
    const cookie = sockets.cookie(fd)
    if (failed(bytes)) return bytes
    if (failed(cookie)) return cookie
    const local = parseAddress(bytes)
    if (failed(local)) return local
    if (local.family !== 'inet') return Fail.of(Errno.EAFNOSUPPORT)
    own.addInternet(use.address.protocol, local.port, cookie)
    return given({ family: 'inet', protocol: use.address.protocol, host: local.host, port: local.port })
  }

  /** One for all workers of the run: whoever asks first makes it. */
  #shared(use: ListenUse): Opened {
    const { sharing } = this.parts
    const key = `listen ${JSON.stringify(use)}`
    const asked = sharing.ask(key, '')
    return this.#whenShared(asked, (got) => {
      if (got !== 'make') return this.#claimed(use, got)
      const made = this.#listen(use)
      asked.made(failed(made) ? undefined : made.fd, use.address.family === 'unix' ? textOf(use.address.path) : undefined)
      return made
    })
  }

  // --- pairs

  /** The n-th time that one end is acquired belongs to the n-th time that the other one is. */
  #pair(name: string, pair: string): Opened {
    const { sharing, kernel: { sockets } } = this.parts
    const asked = sharing.ask(`pair ${pair}`, name)
    return this.#whenShared(asked, (got) => {
      if (got !== 'make') {
        if (!sockets.isOver(got)) return { fd: got, acquired: {} }
        // Whoever had the other end is gone, and left nothing to read.
        got.close()
        return this.#pair(name, pair)
      }
      const made = sockets.pair()
      asked.made(failed(made) ? undefined : made[1])
      return failed(made) ? made : { fd: made[0], acquired: {} }
    })
  }

  #whenShared(asked: Asked, then: (got: Descriptor | 'make') => Opened): Opened {
    const waiting: Opened = {
      cancel: () => asked.cancel(),
      again: () => {
        const got = asked.result()
        return got === undefined ? waiting : then(got)
      },
    }
    return waiting
  }
}

function endpointOf(granted: Parameters<typeof Endpoint.of>[0], address: Exclude<SocketAddress, { family: 'unix' }>): Outcome<Endpoint> {
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

function textOf(path: BytePath): string {
  return Buffer.from(path, 'latin1').toString('utf8')
}

function describe(use: ResourceUse): string {
  switch (use.how) {
    case 'open': return `${use.access}: ${showPath(rawPath(use.rule.root))}`
    case 'connect':
    case 'listen': return `${use.how}: ${use.rule.source}`
    case 'pair': return `pair: ${use.pair}`
    default: return use satisfies never
  }
}

function refusal(code: typeof ErrorCode.malformed | typeof ErrorCode.ungranted, text: string): Answer {
  return { kind: 'refused', refused: { code, errno: 0, text } }
}
