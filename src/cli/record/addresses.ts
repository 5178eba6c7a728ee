/** Writes addresses as a person would. */
import type { SocketAccess } from '../../policy/access.js'
import type { HostUse } from '../../policy/event.js'
import { parseIp } from '../../policy/ip.js'
import type { SocketAddress } from '../../policy/request.js'
import { parseSocketGrant } from '../../policy/socket-grants.js'
import { spell, type Places } from '../../policy/spell.js'
import { hostEntry, showAddress } from '../../policy/words.js'
import type { Need } from './needs.js'

export type SocketNeed = Extract<Need, { kind: 'socket' }>

/** The entry that covers only this address; undefined if no entry can. */
export function addressEntry({ request, inTmp, host }: SocketNeed, places: Places): string | undefined {
  const { access, address } = request
  const entry = inTmp
    ? 'unix:<tmp>/**'
    : address.family === 'unix'
      ? `unix:${spell(places, address.path, '', 'socket')}`
      : host === undefined
        ? showAddress(address)
        : hostEntry(host, request)
  return parseSocketGrant(entry, access).ok ? entry : undefined
}

export interface InetUse {
  readonly access: SocketAccess
  readonly address: Extract<SocketAddress, { family: 'inet' }>
  readonly host?: HostUse
}

/** The lowest port that the system hands out: ip(7), ip_local_port_range. */
const LOWEST_RANDOM = 32_768
/** From this number of ports on, nobody has written each of them down. */
const MOST_FIXED = 8

/** The entry for each use. It may also cover similar uses that differ only by chance. */
export function inetEntries(uses: readonly InetUse[]): ReadonlyMap<InetUse, string> {
  return new Map(uses.map((use) => [use, entryFor(use, uses)]))
}

function entryFor(use: InetUse, uses: readonly InetUse[]): string {
  const { access, address, host: named } = use
  const { protocol, host, port } = address
  if (named?.stage === 'asked') return hostEntry(named, { kind: 'socket', access, address })
  const alike = uses.filter(
    (other) => other.access === access && other.address.protocol === protocol && other.host?.stage !== 'asked',
  )
  const ports = portsFor(
    port,
    alike.filter((other) => other.address.host === host).map((other) => other.address.port),
    access === 'listen' ? 'its own' : isLoopback(host) ? 'of this machine' : 'of others',
  )
  const elsewhere = alike.some(
    ({ address: other }) => other.host !== host && isLoopback(other.host) && other.port === port,
  )
  // A client that connects to the name `localhost` tries both loopback addresses.
  const shown =
    named?.name ?? (access === 'connect' && isLoopback(host) && elsewhere ? 'localhost' : hostOf(showAddress(address)))
  return `${protocol}:${shown}:${ports}`
}

/** The ports of an entry. A port that the system chose becomes a range; a port that somebody wrote down stays. */
function portsFor(port: number, all: readonly number[], whose: 'its own' | 'of this machine' | 'of others'): string {
  if (whose === 'of others' || port < 1024) return String(port)
  const high = new Set(all.filter((one) => one >= LOWEST_RANDOM))
  // Two random ports are seldom the same. A program that asks the system for a free port often uses its number later.
  const isHandedOut = high.size > 1 || (whose === 'its own' && all.includes(0))
  if (port >= LOWEST_RANDOM && isHandedOut) return `${LOWEST_RANDOM}-65535`
  return new Set(all.filter((one) => one >= 1024)).size >= MOST_FIXED ? '1024-65535' : String(port)
}

/** True for an entry with a single port of this machine, in the range that the system hands out. */
export function isOfRandomPort(entry: string): boolean {
  const [, host = '', port = ''] = /^\w+:(.*):(\d+)$/.exec(entry) ?? []
  return Number(port) >= LOWEST_RANDOM && (host === 'localhost' || isLoopback(host.replace(/^\[(.*)\]$/, '$1')))
}

function isLoopback(host: string): boolean {
  const ip = parseIp(host)
  return ip !== undefined && (host === '::1' || host.startsWith('127.'))
}

function hostOf(entry: string): string {
  return /^\w+:(.*):\d+$/.exec(entry)?.[1] ?? ''
}
