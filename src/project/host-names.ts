/**
 * The host names in `connect` and `listen` entries. They are looked up once, by the resolver that would also answer the
 * tests.
 */
import { getServers, promises as dns } from 'node:dns'
import { codeOf } from '../errors.js'
import type { SocketRule } from '../policy/policy.js'

export type Addresses = ReadonlyMap<string, readonly string[]>

export async function lookUpHosts(names: readonly string[]): Promise<Addresses> {
  return new Map(await Promise.all(names.map(async (name) => [name, await addressesOf(name)] as const)))
}

/** A name without an address covers none now. The test that connects to it reports that. */
async function addressesOf(name: string): Promise<readonly string[]> {
  try {
    return (await dns.lookup(name, { all: true })).map(({ address }) => address)
  } catch (error) {
    if (codeOf(error) !== undefined) return []
    throw error
  }
}

/** Rules for the name servers: where an entry names a host, the worker may ask them for its address. */
export function nameServerRules(): readonly SocketRule[] {
  return getServers().flatMap((server) =>
    (['udp', 'tcp'] as const).map((protocol): SocketRule => ({
      access: 'connect',
      source: 'base',
      at: 'base',
      reason: 'name look-up, because an entry names a host',
      target: {
        family: 'inet',
        protocol,
        host: { kind: 'networks', networks: [{ address: serverAddress(server), prefix: 128 }] },
        ports: { from: 53, to: 53 },
      },
    })),
  )
}

/** The address of a name server. dns.getServers() returns `1.2.3.4`, `[::1]:5353` and the like. */
function serverAddress(server: string): string {
  return /^\[(.*)\]/.exec(server)?.[1] ?? (server.includes('.') ? (server.split(':')[0] ?? server) : server)
}
