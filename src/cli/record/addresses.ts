/** Addresses as a person would write them. */
import type { SocketAccess } from '../../policy/access.js'
import type { HostUse } from '../../policy/event.js'
import { parseIp } from '../../policy/ip.js'
import type { SocketAddress } from '../../policy/request.js'
import { parseSocketGrant } from '../../policy/socket-grants.js'
import { spell, type Places } from '../../policy/spell.js'
import { hostEntry, showAddress } from '../../policy/words.js'
import type { Need } from './needs.js'

export type SocketNeed = Extract<Need, { kind: 'socket' }>

/** The entry that covers a socket's address, alone; undefined where no entry can say it. */
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

/** Where the system hands out ports: ip(7), ip_local_port_range. */
const LOWEST_RANDOM = 32_768
/** From so many on, nobody has written them down. */
const MOST_FIXED = 8

/** For each use the entry that stands for it, and for those that are alike but for chance. */
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
  // By its name a server on this machine is asked for at both addresses.
  const shown =
    named?.name ?? (access === 'connect' && isLoopback(host) && elsewhere ? 'localhost' : hostOf(showAddress(address)))
  return `${protocol}:${shown}:${ports}`
}

/** A port that chance has chosen is any such port; one that somebody wrote down is that one. */
function portsFor(port: number, all: readonly number[], whose: 'its own' | 'of this machine' | 'of others'): string {
  if (whose === 'of others' || port < 1024) return String(port)
  const high = new Set(all.filter((one) => one >= LOWEST_RANDOM))
  // Chance seldom gives the same twice; who asks the system for a free port often takes it by its number then.
  const isHandedOut = high.size > 1 || (whose === 'its own' && all.includes(0))
  if (port >= LOWEST_RANDOM && isHandedOut) return `${LOWEST_RANDOM}-65535`
  return new Set(all.filter((one) => one >= 1024)).size >= MOST_FIXED ? '1024-65535' : String(port)
}

/** True of an entry for one port of this machine's that lies where the system hands them out. */
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
