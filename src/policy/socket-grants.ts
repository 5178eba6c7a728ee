import { formatIp, inNetwork, parseIp } from './ip.js'
import { invalid, nearest, quote, valid, type Parsed } from './nearest.js'
import { parsePathGrant, type PathGrant } from './path-grants.js'
import { bytePath } from './request.js'
import type { AbstractTarget, HostMatch, InetTarget, PortRange, SocketRule } from './sockets.js'

/** A `connect` or `listen` entry as written, before any path or name is resolved. */
export interface SocketGrant {
  readonly target: InetTarget | AbstractTarget | { readonly family: 'unix'; readonly path: PathGrant }
  readonly source: string
  /** The reason that the user gave. */
  readonly why?: string
}

const grammar = "'tcp:host:port', 'udp:host:port', 'unix:/path' or 'unix:@name'"

const noExclusion = 'an address without ! (exclusions exist for paths only)'

export function parseSocketGrant(source: string, access: SocketRule['access']): Parsed<SocketGrant> {
  if (source.startsWith('!')) return invalid(noExclusion, source)
  if (source.startsWith('unix:')) return parseUnix(source)
  const parts = /^(tcp|udp):(\[[^\]]*\](?:\/\d+)?|[^:[\]]+):([^:]+)$/.exec(source)
  if (parts === null) return invalid(grammar, source, likelyMeant(source))
  const [, protocol, hostText = '', portText = ''] = parts
  const host = parseHost(hostText, source)
  if (!host.ok) return host
  const ports = parsePorts(portText, source, access)
  if (!ports.ok) return ports
  const kind = { family: 'inet', protocol: protocol === 'udp' ? 'udp' : 'tcp' } as const
  return valid({ target: { ...kind, host: host.value, ports: ports.value }, source })
}

function parseUnix(source: string): Parsed<SocketGrant> {
  const text = source.slice('unix:'.length)
  if (text.startsWith('//')) return invalid("'unix:/path'", source, `unix:${text.replace(/^\/+/, '/')}`)
  if (text.startsWith('@')) {
    if (text === '@') return invalid('a name after the @', source)
    return valid({ target: { family: 'abstract', name: bytePath(text.slice(1)) }, source })
  }
  if (text.startsWith('!')) return invalid(noExclusion, source)
  const path = parsePathGrant(text)
  if (!path.ok) return { ok: false, problem: addPrefix(path.problem, source) }
  if (path.value.shape === 'tree') return invalid('the path of one socket, or a glob', source, `${source}**`)
  return valid({ target: { family: 'unix', path: path.value }, source })
}

function addPrefix<T extends { found: string; suggestion?: string }>(problem: T, source: string): T {
  const { suggestion } = problem
  return { ...problem, found: quote(source), ...(suggestion === undefined ? {} : { suggestion: `unix:${suggestion}` }) }
}

function parseHost(text: string, source: string): Parsed<HostMatch> {
  if (text === '*') return valid({ kind: 'any' })
  if (text.toLowerCase() === 'localhost') {
    return valid({
      kind: 'networks',
      networks: [
        { address: '127.0.0.0', prefix: 8 },
        { address: '::1', prefix: 128 },
      ],
    })
  }
  const [address = '', prefix] = text.replace(/^\[(.*)\]/, '$1').split('/')
  const ip = parseIp(address)
  if (ip !== undefined && (ip.length === 4 || text.startsWith('['))) return parseNetwork(address, prefix, source)
  if (isHostName(text)) return valid({ kind: 'name', name: text.toLowerCase(), addresses: [] })
  const expected = "a host: a name, '127.0.0.1', '[::1]', a network such as '10.0.0.0/8', 'localhost' or '*'"
  return invalid(expected, source, likelyMeant(source))
}

function isHostName(text: string): boolean {
  const labels = text.split('.')
  // With a number for its last label it is a short, octal or hexadecimal IPv4 address: inet_aton(3).
  return (
    labels.every((label) => /^\w(?:[\w-]*\w)?$/.test(label)) &&
    /[a-z]/i.test(labels.at(-1) ?? '') &&
    !/^0x[\da-f]*$/i.test(labels.at(-1) ?? '')
  )
}

function parseNetwork(address: string, prefixText: string | undefined, source: string): Parsed<HostMatch> {
  const ip = parseIp(address) ?? []
  // A mapped address is folded to IPv4, which removes the 96 bits that mark it.
  const folded = address.includes(':') && ip.length === 4 ? 96 : 0
  const bits = ip.length * 8
  const prefix = prefixText === undefined ? bits : Number(prefixText) - folded
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits) {
    return invalid(`a prefix length from ${folded} to ${bits + folded}`, source)
  }
  const base = formatIp(ip.map((byte, at) => byte & (0xff << (8 - Math.min(Math.max(prefix - 8 * at, 0), 8)))))
  if (!inNetwork(ip, { address: base, prefix: bits })) {
    return invalid(`the first address of the network, ${base}/${prefix}`, source, source.replace(address, base))
  }
  return valid({ kind: 'networks', networks: [{ address: base, prefix }] })
}

function parsePorts(text: string, source: string, access: SocketRule['access']): Parsed<PortRange> {
  if (text === '*') return valid({ from: 0, to: 65535 })
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const [from, to] = [Number(first), Number(last)]
  const lowest = access === 'listen' ? 0 : 1
  if (first === undefined || from < lowest || to > 65535) {
    const any = access === 'listen' ? ' (0: any free port)' : ''
    return invalid(`a port from ${lowest} to 65535${any}, a range such as 8000-8100, or *`, source)
  }
  if (from > to) {
    return invalid('a range from the lower to the higher port', source, source.replace(text, `${to}-${from}`))
  }
  return valid({ from, to })
}

const usualPorts: { readonly [scheme: string]: number } = {
  http: 80,
  ws: 80,
  https: 443,
  wss: 443,
  redis: 6379,
  rediss: 6379,
  postgres: 5432,
  postgresql: 5432,
  mysql: 3306,
  mongodb: 27017,
  amqp: 5672,
}

/**
 * The entry that was likely meant by a URL, a bare `host:port`, a path, an IPv6 address without brackets or a misspelt
 * protocol.
 */
function likelyMeant(source: string): string | undefined {
  if (/^\.{0,2}\/|^</.test(source) || source.endsWith('.sock')) return `unix:${source}`
  const [, scheme = '', host = '', port] =
    /^([a-z][a-z0-9+]*):\/\/(?:[^@\s]*@)?(\[[^\]]*\]|[^:/?#]+)(?::(\d+))?/i.exec(source) ?? []
  if (host !== '') {
    const known = Object.hasOwn(usualPorts, scheme.toLowerCase()) ? usualPorts[scheme.toLowerCase()] : '*'
    return `${scheme === 'udp' ? 'udp' : 'tcp'}:${host}:${port ?? known}`
  }
  const [, protocol = '', rest = ''] = /^([a-z]+):(.+)$/i.exec(source) ?? []
  if (/^(?:tcp|udp)$/.test(protocol)) return withoutPort(protocol, rest)
  if (/^[\w.-]+:\d+$|^\[[^\]]+\]:\d+$/.test(source) && !/^\w{3,4}:\d+$/.test(source)) return `tcp:${source}`
  const near = nearest(protocol, ['tcp', 'udp', 'unix'])
  if (near !== undefined && rest.includes(near === 'unix' ? '/' : ':')) return `${near}:${rest}`
  return /^[\w.-]+:\d+$/.test(source) ? `tcp:${source}` : undefined
}

function withoutPort(protocol: string, rest: string): string | undefined {
  if (/^\d+$/.test(rest)) return `${protocol}:localhost:${rest}`
  const [, address = '', port] = /^([0-9a-f:.]*:[0-9a-f.]*):(\d+)$/i.exec(rest) ?? []
  if (parseIp(address) !== undefined) return `${protocol}:[${address}]:${port}`
  return /^[\w.-]+$/.test(rest) ? `${protocol}:${rest}:*` : undefined
}
