/**
 * Reports the hosts that tests speak to by name. libc asks the name server by itself, and a connection goes to an
 * address, so the broker would see only addresses.
 */
import { subscribe } from 'node:diagnostics_channel'
import { bindingOf, prototypeOf, wrap, type BindingMethod } from './bindings.js'

/** Reports of one worker. */
const MOST_TOLD = 1000
/** Hosts whose ports are remembered. */
const MOST_PORTS = 200

const PORTS: { readonly [protocol: string]: number } = { 'http:': 80, 'https:': 443 }

/**
 * Reports hosts. `tell` gets `lookup` with `example.com:443` or `example.com:*` before a look-up begins, and `named`
 * with `example.com 192.0.2.1` before anything goes to that address.
 */
export function tellHosts(tell: (kind: 'lookup' | 'named', text: string) => void): void {
  let left = MOST_TOLD
  const tellOf = (kind: 'lookup' | 'named', host: unknown, what: (host: string) => string): void => {
    if (typeof host === 'string' && host !== 'localhost' && left-- > 0) tell(kind, what(host))
  }
  tellLookups((host, port) => tellOf('lookup', host, (name) => `${name}:${port}`))
  tellConnections((host, address) => tellOf('named', host, (name) => `${name} ${String(address)}`))
}

function tellLookups(tell: (host: string, port: number | '*') => void): void {
  const ports = new Map<string, number>()
  const note = (host: unknown, port: unknown, protocol: unknown): void => {
    if (typeof host !== 'string' || ports.size >= MOST_PORTS) return
    const known = Number(port) > 0 ? Number(port) : typeof protocol === 'string' ? PORTS[protocol] : undefined
    if (known !== undefined) ports.set(host, known)
  }
  // Published by fetch, and from Node 22 on by http and https: Node's documentation, diagnostics_channel, "Built-in
  // Channels".
  subscribe('undici:client:beforeConnect', (message) => {
    const { hostname, port, protocol } = fieldsOf(fieldsOf(message).connectParams)
    note(hostname, port, protocol)
  })
  subscribe('http.client.request.created', (message) => {
    const { host, protocol, getHeader } = fieldsOf(fieldsOf(message).request)
    const header: unknown =
      typeof getHeader === 'function' ? Reflect.apply(getHeader, fieldsOf(message).request, ['host']) : ''
    note(host, /:(\d+)$/.exec(String(header))?.[1], protocol)
  })
  wrap(
    bindingOf('cares_wrap'),
    'getaddrinfo',
    (original) =>
      function getaddrinfo(...args) {
        const [, host] = args
        if (typeof host === 'string') tell(host, ports.get(host) ?? '*')
        return Reflect.apply(original, this, args)
      },
  )
}

/**
 * Reports the names behind connections, whatever looked them up: the socket, a cache in front of it, or a test's own
 * `lookup`.
 */
function tellConnections(tell: (host: unknown, address: unknown) => void): void {
  const before =
    (told: (self: unknown, args: readonly unknown[]) => void) =>
    (original: BindingMethod): BindingMethod =>
      function binding(...args) {
        told(this, args)
        return Reflect.apply(original, this, args)
      }
  // Node's lib/net.js keeps the name in the socket, and the socket in its handle.
  const ofSocket = before((handle, [, address]) => tell(fieldsOf(ownerOf(handle))._host, address))
  for (const method of ['connect', 'connect6']) wrap(prototypeOf('tcp_wrap', 'TCP'), method, ofSocket)
  // lib/dgram.js: the request holds the host as the caller named it.
  const ofDatagram = before((_, [request, , , , address]) => {
    const { address: host } = fieldsOf(request)
    if (host !== address) tell(host, address)
  })
  for (const method of ['send', 'send6']) wrap(prototypeOf('udp_wrap', 'UDP'), method, ofDatagram)
}

function ownerOf(handle: unknown): unknown {
  if (!(handle instanceof Object)) return undefined
  const symbol = Object.getOwnPropertySymbols(handle).find(({ description }) => description === 'owner_symbol')
  return symbol === undefined ? undefined : Reflect.get(handle, symbol)
}

function fieldsOf(value: unknown): { readonly [key: string]: unknown } {
  // The cast: fields are only read, and each is unknown.
  return typeof value === 'object' && value !== null ? (value as { readonly [key: string]: unknown }) : {}
}
