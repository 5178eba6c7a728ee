/** The sockets that one worker and its children listen on. */
import type { BytePath } from '../policy/request.js'
import type { Holder, OwnAddresses, UnixGrant } from '../syscalls/call.js'
import type { PortSharing, Sockets } from '../syscalls/ports.js'
import { Leases, MOST_LEASES } from './leases.js'

const NONE: ReadonlyMap<string, Holder> = new Map()
const ALONE: ReadonlySet<PortSharing> = new Set()
/** The number of remembered addresses. The oldest is forgotten first, and is then decided like any other. */
const MOST = 4096

export class Own implements OwnAddresses {
  readonly #internet = new Map<string, Map<string, Holder>>()
  readonly #unix = new Map<BytePath, { readonly granted: UnixGrant; readonly file: string }>()
  readonly #abstract = new Map<BytePath, Holder>()
  /** The spellings that unix sockets were bound to, by their cookies, and by the last name alone. */
  readonly #spelled = new Map<string, string>()
  readonly #names = new Map<string, string>()
  readonly #leases: Leases
  /** The cookies of internet sockets that the broker holds itself. */
  readonly #brokers = new Set<string>()
  /** The datagram sockets that are to share their ports, by their cookies. */
  readonly #sharing = new Map<string, ReadonlySet<PortSharing>>()
  readonly #used = new Set<'tcp' | 'udp'>()

  constructor(mostLeases: number = MOST_LEASES) {
    this.#leases = new Leases(mostLeases)
  }

  addInternet(protocol: 'tcp' | 'udp', port: number, cookie: string, holder: Holder): void {
    const key = `${protocol}:${port}`
    const known = this.#internet.get(key) ?? new Map<string, Holder>()
    this.#used.add(protocol)
    if (holder === 'broker') this.#brokers.add(cookie)
    // Sockets are bound to one port again and again, each with a cookie of its own.
    remember(known, cookie, holder)
    remember(this.#internet, key, known)
  }

  at(protocol: 'tcp' | 'udp', port: number): ReadonlyMap<string, Holder> {
    return this.#internet.get(`${protocol}:${port}`) ?? NONE
  }

  uses(protocol: 'tcp' | 'udp'): boolean {
    return this.#used.has(protocol)
  }

  addUnix(path: BytePath, granted: UnixGrant, file: string): void {
    remember(this.#unix, path, { granted, file })
  }

  boundAt(path: BytePath): { readonly granted: UnixGrant; readonly file: string } | undefined {
    return this.#unix.get(path)
  }

  addName(text: string, cookie: string): void {
    remember(this.#spelled, cookie, text)
    remember(this.#names, text.slice(text.lastIndexOf('/') + 1), text)
  }

  boundAs(name: string, cookie: string | undefined): string | undefined {
    const known = cookie === undefined ? undefined : this.#spelled.get(cookie)
    return known ?? this.#names.get(name)
  }

  addAbstract(name: BytePath, holder: Holder): void {
    remember(this.#abstract, name, holder)
  }

  abstractAt(name: BytePath): Holder | undefined {
    return this.#abstract.get(name)
  }

  share(cookie: string, option: PortSharing, isOn: boolean): void {
    const others = [...this.sharing(cookie)].filter((one) => one !== option)
    remember(this.#sharing, cookie, new Set(isOn ? [...others, option] : others))
  }

  sharing(cookie: string): ReadonlySet<PortSharing> {
    return this.#sharing.get(cookie) ?? ALONE
  }

  get leases(): Leases {
    return this.#leases
  }

  mayLease(sockets: Sockets, receivers: number): boolean {
    return this.#leases.hasRoom(sockets, receivers)
  }

  lease(lease: Parameters<Leases['add']>[0]): void {
    this.#leases.add(lease)
  }

  reliedOn(cookie: string, sockets: Sockets): readonly string[] {
    return this.#brokers.has(cookie) ? ['0.0.0.0'] : this.#leases.reliedOn(cookie, sockets)
  }

  endLease(cookie: string): void {
    this.#leases.end(cookie)
  }

  endLeases(sockets: Sockets): void {
    this.#leases.endStale(sockets)
  }

  close(): void {
    this.#leases.close()
  }
}

/** Moves the entry to the end of the order, so that the first is always the least recently used. */
function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > MOST && oldest !== undefined) map.delete(oldest)
}
