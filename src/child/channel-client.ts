/** The worker's side of `acquire` and `report`: it sends one request at a time, and waits for the answer. */
import { errnoName } from '../abi/errno.js'
import { ANSWER_MS } from '../limits.js'
import { RESOURCE_NAME } from '../policy/resource-names.js'
import {
  acquireFrame,
  decodeFrame,
  ErrorCode,
  frameText,
  Opcode,
  readRefused,
  reportFrame,
  type Acquired,
  type Frame,
  type GrantedItem,
  type Reported,
} from '../protocol.js'
import { OFFER, type Offer, type AcquireRefusal, type AcquiredResource } from '../protocol/offer.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import type { PacketSocket } from '../sys/packet-socket.js'
import { failed } from '../syscalls/outcome.js'

const FAILURES: Readonly<Record<ErrorCode, AcquireRefusal['failure']>> = {
  [ErrorCode.malformed]: 'malformed',
  [ErrorCode.ungranted]: 'ungranted',
  [ErrorCode.unavailable]: 'unavailable',
  [ErrorCode.busy]: 'busy',
}
const CLOSED: AcquireRefusal = { failure: 'closed', text: 'the channel to the broker is closed' }

interface AnswerFrame {
  readonly frame: Frame
  readonly fd: OwnedFd | undefined
  readonly lost: boolean
}

class ChannelClient {
  #last = 0

  constructor(readonly channel: PacketSocket) {}

  acquire(name: string): AcquiredResource | AcquireRefusal {
    if (!RESOURCE_NAME.test(name)) {
      return {
        failure: 'malformed',
        text: "the name of a resource begins with a letter and has at most 64 letters, digits, '_', '-' and '.'",
      }
    }
    const answer = this.#ask((id) => acquireFrame(id, name), Opcode.acquired)
    if ('failure' in answer) return answer
    const { frame, fd, lost } = answer
    // recvmsg(2), MSG_CTRUNC: this process has no free number for the descriptor.
    if (lost || fd === undefined)
      return { failure: 'full', text: 'this process has no room for another descriptor (EMFILE)' }
    // The cast: the parent wrote it, and it is the parent's own type.
    const acquired = JSON.parse(frameText(frame)) as Acquired
    return { ...acquired, fd: fd.release() }
  }

  granted(): ReturnType<Offer['granted']> {
    const items: GrantedItem[] = []
    for (;;) {
      const answer = this.#ask((id) => reportFrame(id, items.length), Opcode.reported)
      if ('failure' in answer) return answer
      answer.fd?.close()
      // The cast: the parent wrote it, and it is the parent's own type.
      const part = JSON.parse(frameText(answer.frame)) as Reported
      items.push(...part.items)
      if (part.items.length === 0 || items.length >= part.total) return { mode: part.mode, items }
    }
  }

  #ask(request: (id: number) => Uint8Array, wanted: number): AnswerFrame | AcquireRefusal {
    this.#last = (this.#last + 1) >>> 0
    const id = this.#last
    const sent = this.channel.sendWaiting(request(id))
    if (failed(sent)) return { ...CLOSED, errno: errnoName(sent.errno) }
    for (;;) {
      const delivery = this.channel.waitForDelivery(ANSWER_MS)
      if (delivery === 'closed') return CLOSED
      if (failed(delivery))
        return {
          failure: 'late',
          text: `the broker did not answer within ${ANSWER_MS / 1000} s (${delivery.toString()})`,
        }
      const frame = decodeFrame(delivery.packet)
      if (typeof frame !== 'string' && frame.id === id) {
        if (frame.opcode === wanted) return { frame, fd: delivery.fd, lost: delivery.lost }
        const refused = frame.opcode === Opcode.error ? readRefused(frame) : undefined
        if (refused !== undefined) return refusalOf(refused)
      }
      // Drop an answer to an earlier request that was given up, or to one from elsewhere in this process.
      delivery.fd?.close()
    }
  }
}

function refusalOf({
  code,
  errno,
  text,
}: {
  readonly code: ErrorCode
  readonly errno: number
  readonly text: string
}): AcquireRefusal {
  return { failure: FAILURES[code], text, ...(errno === 0 ? {} : { errno: errnoName(errno) }) }
}

/** Offers resources to the client in tests. */
export function offerResources(channel: PacketSocket): void {
  const client = new ChannelClient(channel)
  const value: Offer = Object.freeze({
    acquire: (name: string) => client.acquire(name),
    granted: () => client.granted(),
  })
  Object.defineProperty(process, OFFER, { value, enumerable: false, writable: false, configurable: false })
}
