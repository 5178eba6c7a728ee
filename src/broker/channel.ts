/**
 * The broker's end of the channel to one worker. Incoming packets are hostile: each is a frame or ends the channel. The
 * broker never waits for the worker, keeps a bounded number of answers, and stops reading from a worker that does not
 * read.
 */
import { Errno } from '../abi/errno.js'
import { decodeFrame, ErrorCode, refusedFrame, type Frame, type Refused } from '../protocol.js'
import type { Poller } from '../sys/io.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { PacketSocket } from '../sys/packet-socket.js'
import { Fail, failed } from '../syscalls/outcome.js'
import type { Descriptor } from '../syscalls/ports.js'

/** Frames that are read before others get their turn. */
const PER_TURN = 64
/**
 * Answers that a worker may leave unread. Each may hold a descriptor, and the kernel counts descriptors in flight per
 * user.
 */
const MOST_UNREAD = 32
/** Requests of one worker that may wait at a time. */
const MOST_WAITING = 64

/** The state of a request: answered, refused, or pending. */
export type FrameAnswer =
  /** `fd`, if any, goes to the worker. With `keep`, the broker's own copy stays open. */
  | { readonly kind: 'ready'; readonly packet: Uint8Array; readonly fd?: Descriptor; readonly keep?: boolean }
  | { readonly kind: 'refused'; readonly refused: Refused }
  /** Pending: `again` is called until it gives something else. */
  | { readonly kind: 'later'; readonly again: () => FrameAnswer; readonly cancel: () => void }

type Ready = Extract<FrameAnswer, { kind: 'ready' }>
type LaterAnswer = Extract<FrameAnswer, { kind: 'later' }>

export interface Peer {
  /** Takes one frame. `answer` is for frames that want one. */
  heard(frame: Frame, answer: (answer: FrameAnswer) => void): void
  /** The worker broke the protocol; the channel is closed. */
  fault(detail: string): void
}

export class Channel {
  #socket: PacketSocket | undefined
  #waiting: { readonly id: number; later: LaterAnswer }[] = []
  #outbox: Ready[] = []
  /** Answers sent since the worker had read them all. */
  #sent = 0
  /** True if poll(2) reports the next frame. */
  #isWatched = false
  /** True during a drain: handling one frame may ask to drain those behind it. */
  #isDraining = false
  #awaited: ((fd: OwnedFd) => void) | undefined

  /** `awaited` takes the one descriptor that may come from the worker, the first of all. By default none may. */
  constructor(
    fd: OwnedFd,
    readonly poller: Poller,
    readonly slot: number,
    readonly peer: Peer,
    awaited?: (fd: OwnedFd) => void,
  ) {
    this.#socket = new PacketSocket(fd)
    this.#awaited = awaited
    if (awaited === undefined) this.#socket.refuseDescriptors()
    this.#watch()
  }

  /** True if something waits that no event reports. */
  get isImpatient(): boolean {
    return this.#waiting.length > 0 || (this.#socket !== undefined && !this.#isWatched)
  }

  /** False while the worker leaves its answers unread: it is not listened to until it has read them. */
  #mayListen(): boolean {
    if (this.#outbox.length > 0) return false
    if (this.#sent < MOST_UNREAD) return true
    if (this.#socket?.isUnread === true) return false
    this.#sent = 0
    return true
  }

  #watch(): void {
    this.#isWatched = this.#mayListen()
    this.poller.watch(this.slot, this.#isWatched ? this.#socket?.fd : undefined)
  }

  /** Does the work that is due after each wait. */
  turn(): void {
    this.#flush()
    this.#retry()
    this.drain()
  }

  /** Reads the frames that have arrived. */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    try {
      this.#read()
    } finally {
      this.#isDraining = false
    }
  }

  #read(): void {
    for (let read = 0; read < PER_TURN && this.#mayListen(); read++) {
      const packet = this.#next()
      if (packet === 'none') break
      if (packet === 'closed') return this.close()
      if (failed(packet)) return this.fault(`channel: ${packet.toString()}`)
      const frame = decodeFrame(packet)
      if (typeof frame === 'string') return this.fault(`a malformed frame: ${frame}`)
      this.peer.heard(frame, (answer) => this.#answer(frame.id, answer))
    }
    if (this.#socket !== undefined) this.#watch()
  }

  #next(): ReturnType<PacketSocket['receive']> {
    const socket = this.#socket
    if (socket === undefined) return 'none'
    const take = this.#awaited
    if (take === undefined) return socket.receive()
    const delivery = socket.receiveDelivery()
    if (typeof delivery === 'string' || failed(delivery)) return delivery
    if (delivery.fd !== undefined) {
      this.#awaited = undefined
      socket.refuseDescriptors()
      take(delivery.fd)
    }
    return delivery.packet
  }

  /** Sends a frame that answers nothing. */
  say(packet: Uint8Array): void {
    const sent = this.#socket?.send(packet)
    if (sent === undefined || !failed(sent)) return
    // The worker has ended: how it did is known from elsewhere, and says more.
    if (sent.errno === Errno.EPIPE || sent.errno === Errno.ECONNRESET) return this.close()
    this.fault(`the worker could not be told: ${sent.toString()}`)
  }

  #answer(id: number, answer: FrameAnswer): void {
    if (this.#socket === undefined) return discard(answer)
    switch (answer.kind) {
      case 'ready':
        this.#outbox.push(answer)
        return this.#flush()
      case 'refused':
        return this.#answer(id, { kind: 'ready', packet: refusedFrame(id, answer.refused) })
      case 'later':
        if (this.#waiting.length >= MOST_WAITING) {
          discard(answer)
          return this.#answer(id, {
            kind: 'refused',
            refused: { code: ErrorCode.busy, errno: 0, text: `${MOST_WAITING} requests wait already` },
          })
        }
        this.#waiting.push({ id, later: answer })
        return
      default:
        answer satisfies never
    }
  }

  #flush(): void {
    for (let next = this.#outbox[0]; next !== undefined && this.#socket !== undefined; next = this.#outbox[0]) {
      const sent = this.#socket.send(next.packet, next.fd)
      if (failed(sent) && isForLater(sent)) return
      // The worker has closed its end, fully or half: nobody is left to answer.
      if (failed(sent)) return this.close()
      this.#outbox.shift()
      this.#sent++
      if (next.keep !== true) next.fd?.close()
    }
  }

  #retry(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const entry of waiting) {
      const answer = entry.later.again()
      if (answer.kind === 'later' && this.#socket !== undefined) this.#waiting.push({ id: entry.id, later: answer })
      else this.#answer(entry.id, answer)
    }
  }

  fault(detail: string): void {
    if (this.#socket === undefined) return
    this.close()
    this.peer.fault(detail)
  }

  close(): void {
    this.poller.watch(this.slot, undefined)
    this.#socket?.fd.close()
    this.#socket = undefined
    for (const answer of [...this.#outbox.splice(0), ...this.#waiting.splice(0).map(({ later }) => later)])
      discard(answer)
  }
}

/** ETOOMANYREFS: too many descriptors of this user are in flight, unix(7). ENOBUFS and ENOMEM pass, too. */
function isForLater({ errno }: Fail): boolean {
  return (
    errno === Errno.EAGAIN ||
    errno === Errno.ETOOMANYREFS ||
    errno === Errno.ENOBUFS ||
    errno === Errno.ENOMEM ||
    errno === Errno.EINTR
  )
}

function discard(answer: FrameAnswer): void {
  if (answer.kind === 'later') answer.cancel()
  else if (answer.kind === 'ready' && answer.keep !== true) answer.fd?.close()
}
