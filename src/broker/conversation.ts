/**
 * What a worker says on its channel, and what it is answered there. Marks, traces and busy sockets are its word, for
 * messages only.
 */
import {
  ErrorCode, frameText, Opcode, readBusy, readMark, readReport, readTrace, textFrame, type Frame, type Trace,
} from '../protocol.js'
import { Channel, type Answer, type Peer } from './channel.js'
import { guardedAnswer } from './guarded.js'
import type { FromBroker, Label } from './messages.js'
import type { Start } from './start.js'
import type { Traces } from './traces.js'

export interface ConversationParts {
  readonly start: Start
  readonly traces: Traces
  readonly post: (message: FromBroker) => void
  readonly acquire: (frame: Frame) => Answer
  /** What the test file may use, from the item of that number on. */
  readonly report: (id: number, from: number) => Uint8Array
}

export class Conversation implements Peer {
  readonly channel: Channel
  readonly #parts: ConversationParts
  #label: Label | undefined
  #busy: ReadonlySet<number> | undefined

  constructor(parts: ConversationParts, open: (peer: Peer) => Channel) {
    this.#parts = parts
    this.channel = open(this)
  }

  /** Whose call it is. What the worker said before it made the call lies in the channel already. */
  labelNow(): Label | undefined {
    this.channel.drain()
    return this.#label
  }

  /** Sockets of the worker that hold its event loop. */
  busyNow(): ReadonlySet<number> | undefined {
    this.channel.drain()
    return this.#busy
  }

  /** What the worker has said of it by now lies in the channel already. */
  isChecking(): boolean {
    if (this.#parts.start.isChecking) this.channel.drain()
    return this.#parts.start.isChecking
  }

  /** Another test file begins. */
  reset(): void {
    this.#busy = undefined
  }

  fault(detail: string): void {
    this.#parts.post({ type: 'fault', detail })
  }

  heard(frame: Frame, answer: (answer: Answer) => void): void {
    const { start, acquire } = this.#parts
    switch (frame.opcode) {
      case Opcode.stage: return this.#unless(start.stage(frameText(frame)))
      case Opcode.hello: return this.#hello(frame)
      case Opcode.mark:
        this.#label = readMark(frame)
        return
      case Opcode.trace: return this.#trace(readTrace(frame))
      case Opcode.busy:
        this.#busy = readBusy(frame)
        return
      case Opcode.acquire:
      case Opcode.report:
        if (!start.hasGreeted) return this.channel.fault('a request before its hello')
        return answer(frame.opcode === Opcode.report ? this.#report(frame) : guardedAnswer(() => acquire(frame), (detail) => this.fault(`acquire: ${detail}`)))
      default: return this.channel.fault('a frame that only the parent sends')
    }
  }

  #unless(wrong: string | undefined): void {
    if (wrong !== undefined) this.channel.fault(wrong)
  }

  #hello(frame: Frame): void {
    const { start } = this.#parts
    const wrong = start.hello(frame)
    if (wrong !== undefined) return this.channel.fault(wrong)
    this.channel.say(textFrame(Opcode.welcome, ''))
    start.welcomed()
  }

  #report(frame: Frame): Answer {
    const from = readReport(frame)
    if (from === undefined) return {
      kind: 'refused', refused: { code: ErrorCode.malformed, errno: 0, text: 'a report begins at a number of 32 bits' },
    }
    return { kind: 'ready', packet: this.#parts.report(frame.id, from) }
  }

  #trace({ kind, id, test, stack }: Trace): void {
    const of = this.#parts.traces.take(kind)
    if (of === undefined) return
    const label = id === '' || of.label === undefined ? of.label : { ...of.label, id, test, concurrent: false }
    this.#parts.post({ type: 'incident', incident: { kind: 'traced', of, stack, label } })
  }
}
