import { rawPath, type BytePath } from './request.js'

/** A `connect` or `listen` entry after binding. Plain data. */
export interface SocketRule {
  readonly access: 'connect' | 'listen'
  readonly target: SocketTarget
  /** The user's text: `tcp:127.0.0.1:5432`. */
  readonly source: string
  /** The place where it was written: `manifest.connect[0]`. */
  readonly at: string
  /** The reason that the user gave. */
  readonly why?: string
  /** The reason why it is always granted. Only base grants have one. */
  readonly reason?: string
}

export type SocketTarget = InetTarget | UnixTarget | AbstractTarget

export interface InetTarget {
  readonly family: 'inet'
  readonly protocol: 'tcp' | 'udp'
  readonly host: HostMatch
  readonly ports: PortRange
}

/**
 * Any host; networks (a single address is a network with the longest prefix); or a name with the addresses that it
 * resolved to.
 */
export type HostMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'networks'; readonly networks: readonly Network[] }
  | { readonly kind: 'name'; readonly name: string; readonly addresses: readonly string[] }

/** A network: its address in the shortest form, and the length of its prefix. */
export interface Network {
  readonly address: string
  readonly prefix: number
}

/** Both ends are included. For `listen`, port 0 means "any free port", and only a grant that contains 0 covers it. */
export interface PortRange {
  readonly from: number
  readonly to: number
}

/** A unix socket, as for paths: `file` is the canonical path of one socket, `glob` a pattern below its fixed part. */
interface UnixTarget {
  readonly family: 'unix'
  readonly shape: 'file' | 'glob'
  readonly root: BytePath
  readonly pattern?: string
  readonly aliases: readonly BytePath[]
}

export interface AbstractTarget {
  readonly family: 'abstract'
  readonly name: BytePath
}

/** The longest abstract name in bytes: the 108 of an address, without the zero that makes it abstract. unix(7). */
const LONGEST_ABSTRACT = 107

/**
 * Removes the zeros with which libuv before 1.46 (in Node 20) pads an abstract name to its greatest length.
 */
export function withoutFill(name: BytePath): BytePath {
  return name.length === LONGEST_ABSTRACT ? rawPath(name.replace(/\0+$/, '')) : name
}
