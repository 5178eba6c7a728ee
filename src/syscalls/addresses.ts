/** Socket addresses: from a target's bytes to the address that the policy decides on. */
import { Errno } from '../abi/errno.js'
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, AF_UNSPEC } from '../abi/socket.js'
import { SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_UN } from '../abi/structs.js'
import { formatIp, parseIp, type Ip } from '../policy/ip.js'
import { rawPath, type BytePath, type SocketAddress } from '../policy/request.js'
import { Fail, type Outcome } from './outcome.js'

/** An address as the target gave it. `bytes` is the broker's copy: it was read once, and is never read again. */
export type RawAddress =
  | { readonly family: 'unspec'; readonly bytes: Uint8Array }
  | { readonly family: 'inet'; readonly host: string; readonly port: number; readonly bytes: Uint8Array }
  /** A path as spelled, not resolved; empty for the unnamed address. */
  | { readonly family: 'unix'; readonly text: string; readonly bytes: Uint8Array }
  | { readonly family: 'abstract'; readonly name: BytePath; readonly bytes: Uint8Array }
  | { readonly family: 'netlink'; readonly port: number; readonly groups: number; readonly bytes: Uint8Array }

/** sizeof(struct sockaddr_storage): no address is longer. */
export const MAX_ADDRESS = 128

export function parseAddress(bytes: Uint8Array): Outcome<RawAddress> {
  if (bytes.length < 2) return Fail.of(Errno.EINVAL)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const family = view.getUint16(0, true)
  switch (family) {
    case AF_UNSPEC:
      return { family: 'unspec', bytes }
    case AF_INET:
      return inet(bytes, SOCKADDR_IN.size, SOCKADDR_IN.size, SOCKADDR_IN.sin_addr, 4)
    case AF_INET6:
      // The scope is optional: SIN6_LEN_RFC2133, net/ipv6.
      return inet(bytes, SOCKADDR_IN6.sin6_scope_id, SOCKADDR_IN6.size, SOCKADDR_IN6.sin6_addr, 16)
    case AF_UNIX:
      return unix(bytes)
    case AF_NETLINK:
      if (bytes.length < 12) return Fail.of(Errno.EINVAL)
      return {
        family: 'netlink',
        port: view.getUint32(4, true),
        groups: view.getUint32(8, true),
        bytes: bytes.subarray(0, 12),
      }
    default:
      return Fail.of(Errno.EAFNOSUPPORT)
  }
}

/** The bytes of an address that needs no path; the inverse of `parseAddress`. EINVAL if the host is no IP address. */
export function addressBytes(address: Exclude<SocketAddress, { family: 'unix' }>): Outcome<Uint8Array> {
  if (address.family === 'abstract') {
    const name = Buffer.from(`\0${address.name}`, 'latin1')
    if (name.length > SOCKADDR_UN.size - SOCKADDR_UN.sun_path) return Fail.of(Errno.ENAMETOOLONG)
    const bytes = Buffer.alloc(SOCKADDR_UN.sun_path + name.length)
    bytes.writeUInt16LE(AF_UNIX, 0)
    bytes.set(name, SOCKADDR_UN.sun_path)
    return bytes
  }
  const ip = parseIp(address.host)
  if (ip === undefined) return Fail.of(Errno.EINVAL)
  const isV4 = ip.length === 4
  const bytes = Buffer.alloc(isV4 ? SOCKADDR_IN.size : SOCKADDR_IN6.size)
  bytes.writeUInt16LE(isV4 ? AF_INET : AF_INET6, 0)
  bytes.writeUInt16BE(address.port, SOCKADDR_IN.sin_port)
  bytes.set(ip, isV4 ? SOCKADDR_IN.sin_addr : SOCKADDR_IN6.sin6_addr)
  return bytes
}

/**
 * Reads an internet address. `least`: the bytes that must be there; `ip`: the length of the host, which is at `host`.
 * The port is in the same place in both families.
 */
function inet(bytes: Uint8Array, least: number, size: number, host: number, ip: number): Outcome<RawAddress> {
  if (bytes.length < least) return Fail.of(Errno.EINVAL)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return {
    family: 'inet',
    host: hostOf(bytes.subarray(host, host + ip)),
    port: view.getUint16(SOCKADDR_IN.sin_port),
    bytes: bytes.subarray(0, size),
  }
}

/**
 * Reads a unix address: unix(7). A path ends at NUL or at the length; if the first byte is NUL, the whole rest is an
 * abstract name.
 */
function unix(bytes: Uint8Array): Outcome<RawAddress> {
  if (bytes.length > SOCKADDR_UN.size) return Fail.of(Errno.EINVAL)
  const rest = bytes.subarray(SOCKADDR_UN.sun_path)
  const text = Buffer.from(rest).toString('latin1')
  if (rest.length > 0 && rest[0] === 0) return { family: 'abstract', name: rawPath(text.slice(1)), bytes }
  const end = text.indexOf('\0')
  return { family: 'unix', text: end < 0 ? text : text.slice(0, end), bytes }
}

/** The text of an IP address; an IPv4-mapped IPv6 address gives the IPv4 one. */
export function hostOf(bytes: Uint8Array): string {
  const mapped =
    bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
  const ip: Ip = [...(mapped ? bytes.subarray(12) : bytes)]
  return formatIp(ip)
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

export function isAnyAddress(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}
