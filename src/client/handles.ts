/** Handles: the descriptor of a resource, and Node's own objects made of it. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  readdirSync,
  readSync,
  writeSync,
  type ReadStream,
  type WriteStream,
} from 'node:fs'
import { Server, Socket, type SocketConstructorOpts } from 'node:net'
import { join } from 'node:path'
import { codeOf } from '../errors.js'
import type { AcquiredResource } from '../protocol/offer.js'

/**
 * The part that all kinds share. The descriptor is closed once: by `close`, or by the Node object that was made of it.
 */
export abstract class Handle {
  abstract readonly kind: string
  readonly name: string
  readonly #fd: number
  /** The Node object that closes the descriptor from now on. */
  #owner: { destroy(): void } | undefined
  #isClosed = false

  constructor({ name, fd }: AcquiredResource) {
    this.name = name
    this.#fd = fd
  }

  /** The descriptor. Throws after `close`: a closed number may already mean something else. */
  get fd(): number {
    if (this.#isClosed) throw new TypeError(`the resource '${this.name}' is closed`)
    return this.#fd
  }

  /** Hands the descriptor to a Node object, which closes it. */
  protected give<T>(make: (fd: number) => T, destroy: (made: T) => void): T {
    if (this.#owner !== undefined)
      throw new TypeError(`the descriptor of '${this.name}' belongs to another object already: acquire it once more`)
    const made = make(this.fd)
    this.#owner = { destroy: () => destroy(made) }
    return made
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#owner === undefined) closeSync(this.#fd)
    else this.#owner.destroy()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** A resource with a path. */
export abstract class PathHandle extends Handle {
  /** The path. A file's path is not granted with the file; the files in a directory may be used by their paths. */
  readonly path: string

  constructor(resource: AcquiredResource) {
    super(resource)
    this.path = resource.path ?? ''
  }
}

/** A file, for reading, or for reading and writing. */
export class FileResource extends PathHandle {
  readonly kind = 'file'

  /** Reads the whole file from its beginning, whatever the descriptor's own position. */
  read(): Buffer {
    const chunks: Buffer[] = []
    for (let at = 0; ;) {
      const chunk = Buffer.allocUnsafe(Math.max(65_536, at === 0 ? fstatSync(this.fd).size + 1 : 0))
      const got = readSync(this.fd, chunk, 0, chunk.length, at)
      if (got === 0) return Buffer.concat(chunks)
      chunks.push(chunk.subarray(0, got))
      at += got
    }
  }

  text(encoding: BufferEncoding = 'utf8'): string {
    return this.read().toString(encoding)
  }

  /** Writes at the descriptor's own position; at the end for a resource with `append`. */
  write(data: string | Uint8Array): void {
    const bytes = Buffer.from(data)
    for (let done = 0; done < bytes.length;) done += writeSync(this.fd, bytes, done)
  }

  createReadStream(): ReadStream {
    return createReadStream('', { fd: this.fd, autoClose: false, start: 0 })
  }

  createWriteStream(): WriteStream {
    return createWriteStream('', { fd: this.fd, autoClose: false })
  }
}

/** A directory. The files in it may be used by their paths. */
export class DirectoryResource extends PathHandle {
  readonly kind = 'directory'

  entries(): string[] {
    return readdirSync(this.path)
  }

  join(...names: string[]): string {
    return join(this.path, ...names)
  }
}

/** A connection. */
export class SocketResource extends Handle {
  readonly kind = 'socket'
  /** The peer's address, as a manifest writes it; undefined for an end of a pair. */
  readonly address: string | undefined

  constructor(resource: AcquiredResource) {
    super(resource)
    this.address = resource.address
  }

  /** Makes Node's own socket of it. Only once: the socket closes the descriptor. */
  socket(options: Pick<SocketConstructorOpts, 'allowHalfOpen' | 'signal'> = {}): Socket {
    return this.give(
      (fd) => new Socket({ ...options, fd, readable: true, writable: true }),
      (socket) => socket.destroy(),
    )
  }
}

/** The host and port in `tcp:[::1]:80`; for a unix socket, its path as host. */
function placeOf(address: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = '0'] = /^(?:tcp|udp):(.*):(\d+)$/.exec(address) ?? [
    undefined,
    address.replace(/^unix:/, ''),
  ]
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

/** A socket that has an address: its own if it is bound, otherwise its peer's. */
export abstract class AddressHandle extends Handle {
  /** The address as a manifest writes it: `tcp:127.0.0.1:40123`, `unix:/tmp/x/web.sock`. */
  readonly address: string
  /** The address of the interface; the path of a unix socket. */
  readonly host: string
  /** The port; 0 for a unix socket. */
  readonly port: number

  constructor(resource: AcquiredResource) {
    super(resource)
    this.address = resource.address ?? ''
    ;({ host: this.host, port: this.port } = placeOf(this.address))
  }
}

/** A socket that is bound and listens already. */
export class ServerResource extends AddressHandle {
  readonly kind = 'server'

  /** The URL of the server: `http://127.0.0.1:40123`. */
  get url(): string {
    if (this.port === 0)
      throw new TypeError(`the resource '${this.name}' listens on ${this.address}, which no URL can name`)
    return `http://${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`
  }

  /**
   * Makes a server (`http.createServer(app)`, `net.createServer()`) accept here. Only once: the server closes the
   * descriptor.
   */
  listen<S extends Server>(server: S): Promise<S> {
    return new Promise((resolve, reject) => {
      this.give(
        (fd) => {
          server.once('error', reject)
          return server.listen({ fd }, () => {
            server.off('error', reject)
            resolve(server)
          })
        },
        () => void server.close(),
      )
    })
  }
}

/** A UDP socket. A bound one receives from everyone; a connected one speaks with one peer only. */
export class DatagramResource extends AddressHandle {
  readonly kind = 'datagram'
  readonly isBound: boolean

  constructor(resource: AcquiredResource) {
    super(resource)
    this.isBound = resource.bound === true
  }

  /** Makes Node's own socket of a bound one. Only once: the socket closes the descriptor. */
  socket(): Promise<DatagramSocket> {
    if (!this.isBound)
      throw new TypeError(
        `the resource '${this.name}' is connected, which no dgram.Socket can be made of: use send() and receive()`,
      )
    return new Promise((resolve, reject) => {
      this.give(
        (fd) => {
          const socket = createSocket(this.host.includes(':') ? 'udp6' : 'udp4')
          socket.once('error', reject)
          return socket.bind({ fd }, () => {
            socket.off('error', reject)
            resolve(socket)
          })
        },
        (socket) => void socket.close(),
      )
    })
  }

  /** Sends one packet to the peer of a connected socket. */
  send(data: string | Uint8Array): void {
    writeSync(this.fd, Buffer.from(data))
  }

  /** Receives the next packet from the peer of a connected socket; undefined if none has arrived yet. */
  receive(): Buffer | undefined {
    const packet = Buffer.allocUnsafe(65_536)
    try {
      return packet.subarray(0, readSync(this.fd, packet))
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') return undefined
      throw error
    }
  }
}

export interface Handles {
  readonly file: FileResource
  readonly directory: DirectoryResource
  readonly socket: SocketResource
  readonly server: ServerResource
  readonly datagram: DatagramResource
}

export function handleOf(resource: AcquiredResource): Handles[keyof Handles] {
  switch (resource.kind) {
    case 'file':
      return new FileResource(resource)
    case 'directory':
      return new DirectoryResource(resource)
    case 'socket':
      return new SocketResource(resource)
    case 'server':
      return new ServerResource(resource)
    case 'datagram':
      return new DatagramResource(resource)
    default:
      return resource.kind satisfies never
  }
}
