/**
 * Tells the hosts that are looked up, and the port where that is known. libc asks the name server by itself, so all that the broker
 * would see is a connection to that.
 */
import { subscribe } from 'node:diagnostics_channel'
import { bindingOf, wrap } from './bindings.js'

/** Of one worker. */
const MOST_TOLD = 1000
/** Hosts whose ports are remembered. */
const MOST_PORTS = 200

const PORTS: { readonly [protocol: string]: number } = { 'http:': 80, 'https:': 443 }

/** `tell` gets `example.com:443`, or `example.com:*`. Before the look-up begins. */
export function tellLookups(tell: (host: string) => void): void {
  const ports = new Map<string, number>()
  const note = (host: unknown, port: unknown, protocol: unknown): void => {
    if (typeof host !== 'string' || ports.size >= MOST_PORTS) return
    const known = Number(port) > 0 ? Number(port) : typeof protocol === 'string' ? PORTS[protocol] : undefined
    if (known !== undefined) ports.set(host, known)
  }
  // Of fetch, and of http and https from Node 22 on: Node's documentation, diagnostics_channel, "Built-in Channels".
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
  let left = MOST_TOLD
  wrap(
    bindingOf('cares_wrap'),
    'getaddrinfo',
    (original) =>
      function getaddrinfo(...args) {
        const [, host] = args
        if (typeof host === 'string' && host !== 'localhost' && left-- > 0) tell(`${host}:${ports.get(host) ?? '*'}`)
        return Reflect.apply(original, this, args)
      },
  )
}

function fieldsOf(value: unknown): { readonly [key: string]: unknown } {
  // Read only, and every field as unknown.
  return typeof value === 'object' && value !== null ? (value as { readonly [key: string]: unknown }) : {}
}
