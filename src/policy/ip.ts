import type { Network } from './sockets.js'

/** The bytes of an address: 4 or 16. IPv4-mapped IPv6 (`::ffff:1.2.3.4`) is folded to 4. */
export type Ip = readonly number[]

/** Parses an IPv4 or IPv6 address without brackets. Octal, hexadecimal and short forms of IPv4 are rejected. */
export function parseIp(text: string): Ip | undefined {
  const ip = text.includes(':') ? parseIpv6(text) : parseIpv4(text)
  if (ip === undefined || ip.length === 4) return ip
  const isMapped = ip.slice(0, 10).every((byte) => byte === 0) && ip[10] === 0xff && ip[11] === 0xff
  return isMapped ? ip.slice(12) : ip
}

/** Canonical text: dotted IPv4, or IPv6 in the shortest form of RFC 5952. */
export function formatIp(ip: Ip): string {
  if (ip.length === 4) return ip.join('.')
  const words = Array.from({ length: 8 }, (_, at) => ((ip[2 * at] ?? 0) << 8) | (ip[2 * at + 1] ?? 0))
  const text = words.map((word) => word.toString(16)).join(':')
  const zeros = [...text.matchAll(/\b0(?::0)+\b/g)].reduce<RegExpMatchArray | undefined>(
    (best, run) => (best === undefined || run[0].length > best[0].length ? run : best),
    undefined,
  )
  if (zeros === undefined) return text
  const [head, tail] = [text.slice(0, zeros.index), text.slice((zeros.index ?? 0) + zeros[0].length)]
  return `${head.replace(/:$/, '')}::${tail.replace(/^:/, '')}`
}

/** True if an address lies in a network. A prefix longer than the address means the whole address. */
export function inNetwork(ip: Ip, { address, prefix }: Network): boolean {
  const net = parseIp(address)
  if (net === undefined || net.length !== ip.length) return false
  return net.every((byte, at) => {
    const bits = Math.min(Math.max(prefix - 8 * at, 0), 8)
    const mask = (0xff << (8 - bits)) & 0xff
    return (byte & mask) === ((ip[at] ?? 0) & mask)
  })
}

function parseIpv4(text: string): Ip | undefined {
  const parts = text.split('.')
  const areBytes = parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  return parts.length === 4 && areBytes ? parts.map(Number) : undefined
}

function parseIpv6(text: string): Ip | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half) => (half === '' ? [] : wordsOf(half)))
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 16 ? head : undefined
  if (tail === undefined || head.length + tail.length > 14) return undefined
  return [...head, ...Array.from({ length: 16 - head.length - tail.length }, () => 0), ...tail]
}

/** The bytes of `a:b:c` or `a:b:1.2.3.4`. */
function wordsOf(half: string): number[] | undefined {
  const parts = half.split(':')
  const bytes = parts.map((part, at) => {
    if (/^[0-9a-f]{1,4}$/i.test(part)) return [Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 0xff]
    return at === parts.length - 1 ? parseIpv4(part) : undefined
  })
  return bytes.every((pair) => pair !== undefined) ? bytes.flat() : undefined
}
