/**
 * Datagram sockets of a worker that are connected to its own. write(2) and send(2) on them come to nobody's notice, so the
 * port that they send to must not become somebody else's: the broker has a duplicate of the receiving socket for as long.
 */
import type { ConnectionLease } from '../syscalls/call.js'
import { failed } from '../syscalls/outcome.js'
import type { Sockets } from '../syscalls/ports.js'

/** As many as a worker gets: each holds a descriptor of the broker's, at least. */
const MOST = 256

export class Leases {
  readonly #leases = new Map<string, ConnectionLease>()

  get areAny(): boolean {
    return this.#leases.size > 0
  }

  hasRoom(sockets: Sockets): boolean {
    if (this.#leases.size >= MOST) this.endStale(sockets)
    return this.#leases.size < MOST
  }

  add(lease: ConnectionLease): void {
    this.end(lease.cookie)
    this.#leases.set(lease.cookie, lease)
  }

  end(cookie: string): void {
    for (const receiver of this.#leases.get(cookie)?.receivers ?? []) receiver.close()
    this.#leases.delete(cookie)
  }

  /** Those whose socket is closed or connected elsewhere: close(2) is never mediated, so it is looked up. */
  endStale(sockets: Sockets): void {
    for (const { cookie, port, peerPort } of this.#leases.values()) {
      const there = sockets.boundTo('udp', port)
      // Where it cannot be looked up, it is kept.
      if (failed(there)) continue
      if (!there.some((socket) => socket.cookie === cookie && socket.peerPort === peerPort)) this.end(cookie)
    }
  }

  close(): void {
    for (const cookie of this.#leases.keys()) this.end(cookie)
  }
}
