/**
 * The record of a worker's calls: incidents and, if the launch asks for the ledger, every access and the descriptors
 * made.
 */
import type { AccessOutcome, OutcomeOf } from '../policy/event.js'
import { factsOf } from '../policy/operations.js'
import type { Resource } from '../policy/policy.js'
import type { AccessRequest, SocketAddress } from '../policy/request.js'
import type { Mark } from '../protocol.js'
import { Descriptors } from './descriptors.js'
import { Incidents } from './incidents.js'
import { Ledger, type PairRequest } from './ledger.js'
import type { FromBroker } from './messages.js'
import { Traces } from './traces.js'
import type { TrappedCall } from './trapped-call.js'

const NOT_NOTED = (): void => {}
/** The port of name servers: RFC 1035, 4.2. */
const DNS = 53

interface RecordingParts {
  readonly pid: number
  /** True if every access is kept and reported. */
  readonly ledger: boolean
  /** The running test. */
  readonly label: () => Mark | undefined
  /**
   * The running test, once everything that the worker has sent is read: a stack that arrives then belongs to the
   * refusal before this one.
   */
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

  /** Starts over for another test file. */
  reset(): void {
    this.#descriptors?.reset()
    this.incidents.reset()
    this.traces.reset()
  }

  add(call: TrappedCall, outcome: AccessOutcome): void {
    if (this.#descriptors !== undefined) this.#note(this.#descriptors, call, outcome)
    const byHosts = this.#byHosts(outcome)
    const told = byHosts.map((one) => this.incidents.add(call, one))
    if (outcome.outcome === 'denied' || outcome.outcome === 'forbidden')
      this.traces.refused(
        call.operation,
        call.target.tid === this.#parts.pid,
        outcome,
        isLookUp(byHosts[0]) ? undefined : told[0],
      )
    for (const one of byHosts) this.#ledger?.add(call, one)
  }

  /** Adds the host to a connection; a connection to a name server becomes one for each host that is being looked up. */
  #byHosts(outcome: AccessOutcome): readonly AccessOutcome[] {
    if (!isConnection(outcome)) return [outcome]
    const { address } = outcome.request
    // Read first what the worker has sent before.
    const label = this.#parts.hear()
    const found = this.traces.hostAt(address)
    const hosts = found !== undefined ? [found] : address.port === DNS ? this.traces.hosts(label?.id) : []
    return hosts.length === 0 ? [outcome] : hosts.map((host) => ({ ...outcome, host }))
  }

  #note(descriptors: Descriptors, call: TrappedCall, outcome: AccessOutcome): void {
    if (outcome.outcome !== 'allowed' && outcome.outcome !== 'denied') return
    const { request } = outcome
    call.used = request
    // connect(2), bind(2), sendto(2): the socket is the first argument.
    if (request.kind === 'socket') descriptors.addressed(call.registers.low(0), request)
  }

  /**
   * Returns a function that notes the descriptors of a call. Get it before they are handed over: after that, the worker
   * goes on to other tests.
   */
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

  /** `busy`: sockets that keep the worker's event loop alive, as the worker claims. */
  tellAccessesAndDescriptors(busy: ReadonlySet<number> | undefined): void {
    const held = this.#descriptors?.take(busy)
    const batch = this.#ledger?.take()
    if (held !== undefined)
      this.#parts.post({ type: 'ledger', batch: { accesses: [], overflow: false, ...batch, held } })
  }
}

type Connection = OutcomeOf<'allowed' | 'denied'> & {
  readonly request: { readonly address: Extract<SocketAddress, { family: 'inet' }> }
}

function isConnection(outcome: AccessOutcome): outcome is Connection {
  if ((outcome.outcome !== 'denied' && outcome.outcome !== 'allowed') || outcome.request.kind !== 'socket') return false
  const { access, address } = outcome.request
  return access === 'connect' && address.family === 'inet'
}

function isLookUp(outcome: AccessOutcome | undefined): boolean {
  return outcome !== undefined && 'host' in outcome && outcome.host.stage === 'asked'
}
