/**
 * A worker's messages on its channel, and the answers. The running test, traces and busy sockets are the worker's own
 * claims, used in messages only.
 */
import {
  ErrorCode,
  frameText,
  MARK,
  MarkReader,
  Opcode,
  readBusy,
  readMark,
  readReport,
  readTrace,
  textFrame,
  type Frame,
  type Trace,
  type Mark,
} from '../protocol.js'
import { AdoptedMemory } from '../sys/adopted-memory.js'
import type { ProcessHandle } from '../sys/worker-process.js'
import { failed } from '../syscalls/outcome.js'
import { Channel, type FrameAnswer, type Peer } from './channel.js'
import { guardedAnswer } from './guarded.js'
import type { FromBroker } from './messages.js'
import type { Start } from './start.js'
import type { Traces } from './traces.js'

interface ConversationParts {
  readonly worker: ProcessHandle
  readonly start: Start
  readonly traces: Traces
  readonly post: (message: FromBroker) => void
  readonly acquire: (frame: Frame) => FrameAnswer
  /** The grants of the test file, from item number `from` on. */
  readonly report: (id: number, from: number) => Uint8Array
}

export class Conversation implements Peer {
  readonly channel: Channel
  readonly #parts: ConversationParts
  #memory: AdoptedMemory | undefined
  #marks: MarkReader | undefined
  /** The test that ran when the conversation was closed. */
  #last: Mark | undefined
  #busy: ReadonlySet<number> | undefined

  constructor(parts: ConversationParts, open: (peer: Peer) => Channel) {
    this.#parts = parts
    this.channel = open(this)
  }

  /** The test that made the current call. A worker that reports its tests has announced so before its first one. */
  labelNow(): Mark | undefined {
    if (this.#marks === undefined) this.channel.drain()
    return this.#marks?.now() ?? this.#last
  }

  /** Reads what the worker has sent so far, all of which lies in the channel already. */
  hear(): Mark | undefined {
    this.channel.drain()
    return this.labelNow()
  }

  /** The worker's sockets that keep its event loop alive. */
  busyNow(): ReadonlySet<number> | undefined {
    this.channel.drain()
    return this.#busy
  }

  /**
   * True until the worker's check of itself is over. All that it has reported of the check so far lies in the channel
   * already.
   */
  isChecking(): boolean {
    if (this.#parts.start.isChecking) this.channel.drain()
    return this.#parts.start.isChecking
  }

  /** Starts over for another test file. */
  reset(): void {
    this.#busy = undefined
  }

  close(): void {
    this.#last = this.#marks?.now()
    this.channel.close()
    this.#memory?.close()
    this.#memory = this.#marks = undefined
  }

  fault(detail: string): void {
    this.#parts.post({ type: 'fault', detail })
  }

  heard(frame: Frame, answer: (answer: FrameAnswer) => void): void {
    const { start, acquire } = this.#parts
    switch (frame.opcode) {
      case Opcode.stage:
        return this.#unless(start.stage(frameText(frame)))
      case Opcode.hello:
        return this.#hello(frame)
      case Opcode.mark:
        return this.#mark(readMark(frame))
      case Opcode.trace:
        return this.#trace(readTrace(frame))
      case Opcode.busy:
        this.#busy = readBusy(frame)
        return
      case Opcode.acquire:
      case Opcode.report:
        if (!start.hasGreeted) return this.channel.fault('a request before its hello')
        return answer(
          frame.opcode === Opcode.report
            ? this.#report(frame)
            : guardedAnswer(
                () => acquire(frame),
                (detail) => this.fault(`acquire: ${detail}`),
              ),
        )
      default:
        return this.channel.fault('a frame that only the parent sends')
    }
  }

  #unless(wrong: string | undefined): void {
    if (wrong !== undefined) this.channel.fault(wrong)
  }

  /**
   * Adopts the memory of a mark. The last of several marks wins; a descriptor that is not a memfd counts as no mark.
   */
  #mark(number: number | undefined): void {
    if (number === undefined) return
    this.#memory?.close()
    const memory = AdoptedMemory.of(this.#parts.worker, number, MARK.size)
    this.#memory = failed(memory) ? undefined : memory
    this.#marks = failed(memory) ? undefined : new MarkReader((offset, length) => memory.read(offset, length))
  }

  #hello(frame: Frame): void {
    const { start } = this.#parts
    const wrong = start.hello(frame)
    if (wrong !== undefined) return this.channel.fault(wrong)
    this.channel.say(textFrame(Opcode.welcome, ''))
    start.welcomed()
  }

  #report(frame: Frame): FrameAnswer {
    const from = readReport(frame)
    if (from === undefined)
      return {
        kind: 'refused',
        refused: { code: ErrorCode.malformed, errno: 0, text: 'a report begins at a number of 32 bits' },
      }
    return { kind: 'ready', packet: this.#parts.report(frame.id, from) }
  }

  #trace({ kind, id, test, stack, path = '' }: Trace): void {
    if (kind === 'lookup') return this.#parts.traces.lookup(stack)
    if (kind === 'named') return this.#parts.traces.named(stack)
    const of = this.#parts.traces.take(kind, path)
    if (of === undefined) return
    const label = id === '' || of.label === undefined ? of.label : { ...of.label, id, test, concurrent: false }
    this.#parts.post({ type: 'incident', incident: { ...of, site: { stack, label } } })
  }
}
