/**
 * Finds the refusal that a stack from the worker belongs to. The worker can only send it afterwards: while the broker
 * decides, the calling thread stands still.
 */
import type { HostUse, Refusal, RefusedEvent } from '../policy/event.js'
import { formatIp, parseIp } from '../policy/ip.js'
import type { Operation } from '../policy/operations.js'
import { showPath } from '../policy/request.js'
import type { Trace } from '../protocol.js'

type TraceKind = Trace['kind']

/** Refusals that wait for their stacks, in threads that are not asked for one. */
const MOST_LATER = 64

/** A host name as a `connect` entry may have it. */
const HOST = /^(?=.{1,253}$)\w(?:[\w-]*\w)?(?:\.\w(?:[\w-]*\w)?)*$/
/** Look-ups under way that are kept apart. */
const MOST_LOOKUPS = 50
/** Addresses whose names are remembered. */
const MOST_NAMES = 1000

export class Traces {
  /** Refusals that wait for their stacks, by the path as it was spelled. */
  readonly #later = new Map<string, RefusedEvent>()
  readonly #last = new Map<TraceKind, RefusedEvent>()
  readonly #lookups = new Map<string, HostUse>()
  #asked: { readonly hosts: readonly HostUse[]; readonly test: string | undefined } = { hosts: [], test: undefined }
  readonly #names = new Map<string, string>()

  /** Notes that the worker is about to look up `host:port`. */
  lookup(text: string): void {
    const [, name = '', port = ''] = /^(.*?)\.?:(\d{1,5}|\*)$/.exec(text) ?? []
    if (HOST.test(name) && this.#lookups.size < MOST_LOOKUPS)
      this.#lookups.set(text, { name, port: port === '*' ? '*' : Number(port), stage: 'asked' })
  }

  /** Notes that the worker is about to speak to `host address`. */
  named(text: string): void {
    const [, name = '', address = ''] = /^(\S*?)\.? (\S+)$/.exec(text) ?? []
    const ip = parseIp(address)
    if (HOST.test(name) && ip !== undefined && this.#names.size < MOST_NAMES) this.#names.set(formatIp(ip), name)
  }

  /** The hosts that this test is asking a name server for. libc asks more than once. */
  hosts(test: string | undefined): readonly HostUse[] {
    if (this.#lookups.size > 0) this.#asked = { hosts: [...this.#lookups.values()], test }
    this.#lookups.clear()
    return this.#asked.test === test ? this.#asked.hosts : []
  }

  /** The host by whose name an address is spoken to; undefined if the worker used the address itself. */
  hostAt({ host, port }: { readonly host: string; readonly port: number }): HostUse | undefined {
    const ip = parseIp(host)
    const name = ip === undefined ? undefined : this.#names.get(formatIp(ip))
    return name === undefined ? undefined : { name, port, stage: 'found' }
  }

  /** Starts over for another test file. */
  reset(): void {
    this.#names.clear()
  }

  /** Notes a refusal. `told` is undefined if the same was reported before; a stack that comes then adds nothing. */
  refused(operation: Operation, byMainThread: boolean, refusal: Refusal, told: RefusedEvent | undefined): void {
    // The thread that runs a program is a child's by then; its parent waits for it.
    const kind = operation === 'run' ? 'program' : byMainThread ? 'call' : undefined
    if (kind === undefined) return this.#keepForLater(told)
    if (told !== undefined) this.#last.set(kind, told)
    // Reported before: the next stack is this refusal's, not the last one's. The same path again is a search along
    // PATH, or a second try, within one call of JavaScript.
    else if (!isSame(this.#last.get(kind), refusal)) this.#last.delete(kind)
  }

  #keepForLater(told: RefusedEvent | undefined): void {
    if (told?.outcome !== 'denied' || told.request.kind !== 'path') return
    const [oldest] = this.#later.keys()
    if (oldest !== undefined && this.#later.size >= MOST_LATER) this.#later.delete(oldest)
    this.#later.set(showPath(told.asked ?? told.request.path), told)
  }

  /** Takes the refusal that a stack belongs to. Each refusal gets one stack. */
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
