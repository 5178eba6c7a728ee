/**
 * Finds the refusal that a stack of the worker's belongs to. The worker can only tell it afterwards: while the broker decides, the
 * calling thread stands still.
 */
import type { HostUse, Refusal, RefusedEvent } from '../policy/event.js'
import { formatIp, parseIp } from '../policy/ip.js'
import type { Operation } from '../policy/operations.js'
import { showPath } from '../policy/request.js'
import type { Trace } from '../protocol.js'

type TraceKind = Trace['kind']

/** Of threads that are not asked: how many refusals wait for their stacks. */
const MOST_LATER = 64

/** As a `connect` entry has it. */
const HOST = /^(?=.{1,253}$)\w(?:[\w-]*\w)?(?:\.\w(?:[\w-]*\w)?)*$/
/** Look-ups under way that are kept apart. */
const MOST_LOOKUPS = 50
/** Addresses whose names are remembered. */
const MOST_NAMES = 1000

export class Traces {
  /** By their paths as they were spelled. */
  readonly #later = new Map<string, RefusedEvent>()
  readonly #last = new Map<TraceKind, RefusedEvent>()
  readonly #lookups = new Map<string, HostUse>()
  #asked: { readonly hosts: readonly HostUse[]; readonly test: string | undefined } = { hosts: [], test: undefined }
  readonly #names = new Map<string, string>()

  /** The worker is about to look up `host:port`. */
  lookup(text: string): void {
    const [, name = '', port = ''] = /^(.*?)\.?:(\d{1,5}|\*)$/.exec(text) ?? []
    if (HOST.test(name) && this.#lookups.size < MOST_LOOKUPS)
      this.#lookups.set(text, { name, port: port === '*' ? '*' : Number(port), stage: 'asked' })
  }

  /** The worker is about to speak to `host address`. */
  named(text: string): void {
    const [, name = '', address = ''] = /^(\S*?)\.? (\S+)$/.exec(text) ?? []
    const ip = parseIp(address)
    if (HOST.test(name) && ip !== undefined && this.#names.size < MOST_NAMES) this.#names.set(formatIp(ip), name)
  }

  /** The hosts that a name server is being asked for by this test. libc asks more than once. */
  hosts(test: string | undefined): readonly HostUse[] {
    if (this.#lookups.size > 0) this.#asked = { hosts: [...this.#lookups.values()], test }
    this.#lookups.clear()
    return this.#asked.test === test ? this.#asked.hosts : []
  }

  /** The host by whose name an address is spoken to; undefined where it was spoken to as it is. */
  hostAt({ host, port }: { readonly host: string; readonly port: number }): HostUse | undefined {
    const ip = parseIp(host)
    const name = ip === undefined ? undefined : this.#names.get(formatIp(ip))
    return name === undefined ? undefined : { name, port, stage: 'found' }
  }

  /** Another test file begins. */
  reset(): void {
    this.#names.clear()
  }

  /** `told`: undefined where the same was told before; a stack that comes then is no news. */
  refused(operation: Operation, byMainThread: boolean, refusal: Refusal, told: RefusedEvent | undefined): void {
    // The thread that runs a program is a child's by then; its parent waits for it.
    const kind = operation === 'run' ? 'program' : byMainThread ? 'call' : undefined
    if (kind === undefined) return this.#keepForLater(told)
    if (told !== undefined) this.#last.set(kind, told)
    // A search along PATH, or a second try, within the one call of JavaScript.
    else if (!isSame(this.#last.get(kind), refusal)) this.#last.delete(kind)
  }

  #keepForLater(told: RefusedEvent | undefined): void {
    if (told?.outcome !== 'denied' || told.request.kind !== 'path') return
    const [oldest] = this.#later.keys()
    if (oldest !== undefined && this.#later.size >= MOST_LATER) this.#later.delete(oldest)
    this.#later.set(showPath(told.asked ?? told.request.path), told)
  }

  /** A refusal gets one stack. */
  take(kind: TraceKind, path = ''): RefusedEvent | undefined {
    if (kind === 'later') {
      const later = this.#later.get(path)
      this.#later.delete(path)
      return later
    }
    const last = this.#last.get(kind)
    this.#last.delete(kind)
    return last
  }
}

function isSame(last: RefusedEvent | undefined, refusal: Refusal): boolean {
  if (last?.outcome !== 'denied' || refusal.outcome !== 'denied') return false
  const [a, b] = [last.request, refusal.request]
  return a.kind === 'path' && b.kind === 'path' && a.path === b.path
}
