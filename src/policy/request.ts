/**
 * The requests of a worker as plain data, and the reasons for which the policy denies one.
 *
 * Paths here are *byte paths*: Linux paths are bytes, not text, so each byte is one char (U+0000-U+00FF) of a
 * JavaScript string. This way nothing is lost, and names that are not UTF-8 work like any other.
 */

import type { PathAccess, SocketAccess } from './access.js'
import { visible } from './visible.js'

export type { PathAccess } from './access.js'

declare const bytes: unique symbol
/** A Linux path, one char per byte ("latin1"). `bytePath` makes one, `showPath` shows one. */
export type BytePath = string & { readonly [bytes]: true }

/** Converts UTF-8 text (a config value, a Node string) to a byte path. */
export function bytePath(text: string): BytePath {
  return rawPath(Buffer.from(text, 'utf8').toString('latin1'))
}

/** Marks a string that already holds one char per byte as a byte path. */
export function rawPath(latin1: string): BytePath {
  // The brand is a promise about how the string was made, and no check at run time can verify it.
  return latin1 as BytePath
}

/** A byte path as people read it: UTF-8 where it is valid, `\xNN` for other bytes and for what would not be seen. */
export function showPath(path: BytePath): string {
  const text = Buffer.from(path, 'latin1').toString('utf8')
  const shown = text.includes('\uFFFD')
    ? path.replace(/[\x80-\xff]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`)
    : text
  return visible(shown)
}

export interface PathRequest {
  readonly kind: 'path'
  readonly access: PathAccess
  /** Absolute and canonical: no `.`, no `..`, no `//`, no trailing slash, no symbolic link on the way. */
  readonly path: BytePath
  /**
   * For `move`: the other end of the rename. An exclusion glob such as `!src/**` allows a directory to be moved only
   * where both ends are known to lie in its reach; without this field such a move is refused.
   */
  readonly counterpart?: BytePath
  /**
   * For `look`: true if a directory is known to be there. A directory in which a glob may have a match may be looked
   * at, as every directory above a grant may: realpath(3) looks at each directory on the way.
   */
  readonly directory?: true
}

/** A parsed socket address. Ports are 0-65535; IPv4-mapped IPv6 addresses are written as IPv4. */
export type SocketAddress =
  | { readonly family: 'inet'; readonly protocol: 'tcp' | 'udp'; readonly host: string; readonly port: number }
  | { readonly family: 'unix'; readonly path: BytePath }
  | { readonly family: 'abstract'; readonly name: BytePath }

export interface SocketRequest {
  readonly kind: 'socket'
  /** `connect` includes sending a datagram to an address. */
  readonly access: SocketAccess
  readonly address: SocketAddress
}

export type AccessRequest = PathRequest | SocketRequest

/** The reason why nothing covers a request. Plain data for the message, never parsed again. */
export type DenialReason =
  | { readonly why: 'no-grant' }
  /** A grant covers the path, but for less: `read` where `write` was asked. */
  | { readonly why: 'weaker-grant'; readonly grant: string }
  /**
   * An exclusion (`!…`) carves the path out of the grant. `from`: the exclusion is in `list`, so it does not affect
   * `read` entries.
   */
  | { readonly why: 'excluded'; readonly exclusion: string; readonly from?: 'list' }
  /** The move would carry a path out of, or into, the reach of this exclusion. */
  | { readonly why: 'moves-excluded'; readonly exclusion: string }
  /** The moved entry may be a directory, and the grant covers a single name, not everything below it. */
  | { readonly why: 'moves-uncovered'; readonly grant: string }
  /** The path is relative or empty, or has `.`, `..`, `//`, NUL or a trailing slash. */
  | { readonly why: 'not-canonical' }
  /** Something that the run depends on lies there or below. No entry allows anybody to change it. */
  | { readonly why: 'protected'; readonly place: BytePath }
  /** A port on which the process that runs the tests listens itself. */
  | { readonly why: 'port-of-runner' }
