/** Addresses as a person would write them. */
import type { SocketAccess } from '../../policy/access.js'
import { parseIp } from '../../policy/ip.js'
import type { SocketAddress, SocketRequest } from '../../policy/request.js'
import { parseSocketGrant } from '../../policy/socket-grants.js'
import { spell, type Places } from '../../policy/spell.js'
import { showAddress } from '../../policy/words.js'
import { MANY } from './collapse.js'

/** The entry that covers a socket's address, alone; undefined where no entry can say it. */
export function addressEntry({ access, address }: SocketRequest, inTmp: boolean, places: Places): string | undefined {
  const entry = inTmp
    ? 'unix:<tmp>/**'
    : address.family === 'unix'
      ? `unix:${spell(places, address.path, '', 'socket')}`
      : showAddress(address)
  return parseSocketGrant(entry, access).ok ? entry : undefined
}

export interface InetUse {
  readonly access: SocketAccess
  readonly address: Extract<SocketAddress, { family: 'inet' }>
}

/** Where the system hands out ports: ip(7), ip_local_port_range. */
const LOWEST_RANDOM = 32_768
const RANDOM_PORTS = '1024-65535'

/** For each use the entry that stands for it, and for those that are alike but for chance. */
export function inetEntries(uses: readonly InetUse[]): ReadonlyMap<InetUse, string> {
  return new Map(uses.map((use) => [use, entryFor(use, uses)]))
}

function entryFor(use: InetUse, uses: readonly InetUse[]): string {
  const {
    access,
    address: { protocol, host, port },
  } = use
  const alike = uses.filter((other) => other.access === access && other.address.protocol === protocol)
  const ports = portsFor(
    port,
    alike.filter(({ address }) => address.host === host).map(({ address }) => address.port),
    access === 'listen' || isLoopback(host),
  )
  const elsewhere = alike.some(
    ({ address }) => address.host !== host && isLoopback(address.host) && address.port === port,
  )
  // By its name a server on this machine is asked for at both addresses.
  const shown = access === 'connect' && isLoopback(host) && elsewhere ? 'localhost' : hostOf(showAddress(use.address))
  return `${protocol}:${shown}:${ports}`
}

/** A port that chance may have chosen is any such port. */
function portsFor(port: number, all: readonly number[], mayBeChance: boolean): string {
  const chosen = new Set(all.filter((one) => one >= 1024))
  // One port, whichever it is, is that one: chance seldom gives the same twice.
  const isChance =
    mayBeChance &&
    port >= 1024 &&
    (chosen.size >= MANY || (chosen.size > 1 && [...chosen].some((one) => one >= LOWEST_RANDOM)))
  return isChance ? RANDOM_PORTS : String(port)
}

function isLoopback(host: string): boolean {
  const ip = parseIp(host)
  return ip !== undefined && (host === '::1' || host.startsWith('127.'))
}

function hostOf(entry: string): string {
  return /^\w+:(.*):\d+$/.exec(entry)?.[1] ?? ''
}
