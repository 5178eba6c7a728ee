/**
 * Datagram sockets of a worker that are connected to its own sockets. The broker does not see write(2) and send(2) on
 * them, so the port that they send to must not pass to anybody else: as long as they are connected, the broker keeps a
 * duplicate of the receiving socket.
 */
import type { ConnectionLease } from '../syscalls/call.js'
import { failed } from '../syscalls/outcome.js'
import type { Sockets } from '../syscalls/ports.js'

/** The most leases of a worker, and the most descriptors of the broker that they hold: many sockets may share a port. */
export const MOST_LEASES = 256

export class Leases {
  readonly #leases = new Map<string, ConnectionLease>()

  constructor(readonly most: number = MOST_LEASES) {}

  get areAny(): boolean {
    return this.#leases.size > 0
  }

  /** True if there is room for a lease that holds so many descriptors. */
  hasRoom(sockets: Sockets, descriptors: number): boolean {
    const isFull = (): boolean => this.#leases.size >= this.most || this.#held + descriptors > this.most
    if (isFull()) this.endStale(sockets)
    return !isFull()
  }

  get #held(): number {
    return [...this.#leases.values()].reduce((sum, { receivers }) => sum + receivers.length, 0)
  }

  add(lease: ConnectionLease): void {
    this.end(lease.cookie)
    this.#leases.set(lease.cookie, lease)
  }

  end(cookie: string): void {
    for (const receiver of this.#leases.get(cookie)?.receivers ?? []) receiver.close()
    this.#leases.delete(cookie)
  }

  /** The hosts at which this socket receives from leased ones. */
  reliedOn(cookie: string, sockets: Sockets): readonly string[] {
    const hosts = (): string[] =>
      [...this.#leases.values()].flatMap(({ cookies, peer }) => (cookies.has(cookie) ? [peer.host] : []))
    if (hosts().length > 0) this.endStale(sockets)
    return hosts()
  }

  /**
   * Ends the leases whose socket is closed or connected elsewhere. close(2) is never mediated, so the sockets are
   * looked up.
   */
  endStale(sockets: Sockets): void {
    for (const { cookie, port, peer } of this.#leases.values()) {
      const there = sockets.boundTo('udp', port)
      // If the look-up fails, the lease is kept.
      if (failed(there)) continue
      if (!there.some((socket) => socket.cookie === cookie && socket.peerPort === peer.port)) this.end(cookie)
    }
  }

  close(): void {
    for (const cookie of this.#leases.keys()) this.end(cookie)
  }
}
