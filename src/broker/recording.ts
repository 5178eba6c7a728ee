/** The record of a worker's calls: incidents, and where somebody wants to know, every access and the descriptors made. */
import type { AccessOutcome, OutcomeOf } from '../policy/event.js'
import { factsOf } from '../policy/operations.js'
import type { Resource } from '../policy/policy.js'
import type { AccessRequest } from '../policy/request.js'
import type { Mark } from '../protocol.js'
import { Descriptors } from './descriptors.js'
import { Incidents } from './incidents.js'
import { Ledger, type PairRequest } from './ledger.js'
import type { FromBroker } from './messages.js'
import { Traces } from './traces.js'
import type { TrappedCall } from './trapped-call.js'

const NOT_NOTED = (): void => {}

interface RecordingParts {
  readonly pid: number
  /** True if every access is kept, to be told. */
  readonly ledger: boolean
  /** The running test. */
  readonly label: () => Mark | undefined
  /** The same, once what the worker has said is taken: where a call stood that was refused before is about that one. */
  readonly hear: () => Mark | undefined
  readonly post: (message: FromBroker) => void
}

export class Recorder {
  readonly incidents: Incidents
  readonly traces = new Traces()
  readonly #parts: RecordingParts
  readonly #ledger: Ledger | undefined
  readonly #descriptors: Descriptors | undefined

  constructor(parts: RecordingParts) {
    this.#parts = parts
    this.incidents = new Incidents((incident) => parts.post({ type: 'incident', incident }), parts.hear)
    this.#ledger = parts.ledger ? new Ledger(parts.label) : undefined
    this.#descriptors = parts.ledger ? new Descriptors(parts.pid) : undefined
  }

  /** Another test file begins. */
  reset(): void {
    this.#descriptors?.reset()
    this.incidents.reset()
  }

  add(call: TrappedCall, outcome: AccessOutcome): void {
    if (this.#descriptors !== undefined) this.#note(this.#descriptors, call, outcome)
    const lookUps = isOfNameServer(outcome)
      ? this.traces.hosts(this.#parts.hear()?.id).map((lookedUp) => ({ ...outcome, lookedUp }))
      : []
    for (const lookUp of lookUps) this.incidents.add(call, lookUp)
    const told = lookUps.length > 0 ? undefined : this.incidents.add(call, outcome)
    if (outcome.outcome === 'denied' || outcome.outcome === 'forbidden')
      this.traces.refused(call.operation, call.target.tid === this.#parts.pid, outcome, told)
    this.#ledger?.add(call, outcome)
  }

  #note(descriptors: Descriptors, call: TrappedCall, outcome: AccessOutcome): void {
    if (outcome.outcome !== 'allowed' && outcome.outcome !== 'denied') return
    const { request } = outcome
    call.used = request
    // connect(2), bind(2), sendto(2): the socket is the first argument.
    if (request.kind === 'socket') descriptors.addressed(call.registers.low(0), request)
  }

  /** Notes the descriptors that a call makes. Made before they are handed over: after that the worker goes on to other tests. */
  holder({ operation, registers, target, used }: TrappedCall): (number: number) => void {
    const descriptors = this.#descriptors
    if (descriptors === undefined || target.pid() !== this.#parts.pid) return NOT_NOTED
    const label = this.#parts.label()
    const { makes = 'other' } = factsOf(operation)
    const request = operation === 'accept' ? descriptors.requestOf(registers.low(0)) : used
    return (number) => descriptors.add(number, makes, request, label)
  }

  acquired(resource: Resource, request: AccessRequest | PairRequest): void {
    this.#ledger?.acquired(resource, request)
  }

  tellAccesses(): void {
    const batch = this.#ledger?.take()
    if (batch !== undefined) this.#parts.post({ type: 'ledger', batch })
  }

  /** `busy`: sockets that hold the worker's event loop, by its own word. */
  tellAccessesAndDescriptors(busy: ReadonlySet<number> | undefined): void {
    const held = this.#descriptors?.take(busy)
    const batch = this.#ledger?.take()
    if (held !== undefined)
      this.#parts.post({ type: 'ledger', batch: { accesses: [], overflow: false, ...batch, held } })
  }
}

/** A refused connection to port 53: RFC 1035, 4.2. */
function isOfNameServer(outcome: AccessOutcome): outcome is OutcomeOf<'denied'> {
  if (outcome.outcome !== 'denied' || outcome.request.kind !== 'socket') return false
  const { access, address } = outcome.request
  return access === 'connect' && address.family === 'inet' && address.port === 53
}
