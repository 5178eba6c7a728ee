/** Which findings are told, once each, in a bounded amount of memory. */
import type { NamedCall } from '../policy/operations.js'
import type { Mark } from '../protocol.js'
import type { Finding } from '../syscalls/call.js'
import type { Incident, RefusedIncident } from './messages.js'

/** Distinct incidents kept apart per test file. Beyond, one `overflow` says that there was more. */
const LIMIT = 1000
/** Hidden files told of, per test file. */
const HINTS = 200

export class Incidents {
  readonly #seen = new Set<string>()
  readonly #hints = new Set<string>()

  constructor(
    readonly tell: (incident: Incident) => void,
    readonly label: () => Mark | undefined,
  ) {}

  /** A new test file begins: what was told of the one before does not count. */
  reset(): void {
    this.#seen.clear()
    this.#hints.clear()
  }

  /** The refusal, where it was told; undefined for one that was told before, and for what is none. */
  add({ name: syscall, operation }: NamedCall, finding: Finding): RefusedIncident | undefined {
    switch (finding.kind) {
      case 'used':
        return undefined
      case 'quiet':
        this.#hidden(finding)
        return undefined
      case 'violation': {
        const { request, reason, asked, there } = finding
        const what = request.kind === 'path' ? request.path : JSON.stringify(request.address)
        const group = request.access === 'move' ? 'write' : request.access
        return this.#once(`${group}:${what}`, (label) => ({
          kind: 'violation',
          syscall,
          operation,
          request,
          reason,
          ...(asked === undefined ? {} : { asked }),
          ...(there === undefined ? {} : { there }),
          label,
        }))
      }
      case 'forbidden': {
        const { why, violation } = finding
        return this.#once(`${syscall}:${why}`, (label) => ({
          kind: 'forbidden',
          syscall,
          operation,
          why,
          violation,
          label,
        }))
      }
      default:
        return finding satisfies never
    }
  }

  /** Counted apart, so that no number of looks keeps a violation from being told. */
  #hidden({ request, there, by }: Extract<Finding, { kind: 'quiet' }>): void {
    if (there !== 'regular' || request.kind !== 'path' || by !== undefined) return
    const label = this.label()
    const key = `${label?.file ?? ''}\0${label?.id ?? ''}\0${request.path}`
    if (this.#hints.has(key) || this.#hints.size >= HINTS) return
    this.#hints.add(key)
    this.tell({ kind: 'hidden', request, label })
  }

  resource(name: string, near: string | undefined): void {
    this.#once(`acquire:${name}`, (label) => ({
      kind: 'resource',
      name,
      ...(near === undefined ? {} : { near }),
      label,
    }))
  }

  unknown(syscall: string): void {
    this.#once(`unknown:${syscall}`, (label) => ({ kind: 'unknown-call', syscall, label }))
  }

  #once<I extends Incident>(key: string, incident: (label: Mark | undefined) => I): I | undefined {
    const label = this.label()
    const full = `${label?.file ?? ''}\0${label?.id ?? ''}\0${key}`
    if (this.#seen.has(full) || this.#seen.size > LIMIT) return undefined
    this.#seen.add(full)
    const made = this.#seen.size > LIMIT ? undefined : incident(label)
    this.tell(made ?? { kind: 'overflow', label })
    return made
  }
}
