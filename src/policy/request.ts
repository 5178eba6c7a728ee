/**
 * The requests of a worker, as pure data, and the reasons for which the policy denies one.
 *
 * Paths here are *byte paths*: Linux paths are bytes, not text, so each byte stands as one char (U+0000-U+00FF) of a
 * JavaScript string. Nothing is lost that way, and a name that is not UTF-8 is as good as any other.
 */

import type { PathAccess, SocketAccess } from './access.js'

export type { PathAccess } from './access.js'

declare const bytes: unique symbol
/** A Linux path, one char per byte ("latin1"). Make one with `bytePath`, show one with `showPath`. */
export type BytePath = string & { readonly [bytes]: true }

/** UTF-8 text (a config value, a Node string) as a byte path. */
export function bytePath(text: string): BytePath {
  return rawPath(Buffer.from(text, 'utf8').toString('latin1'))
}

/** A string that already holds one char per byte. */
export function rawPath(latin1: string): BytePath {
  // The brand is a promise about how the string was made, which no runtime check can see.
  return latin1 as BytePath
}

/** A byte path for people: UTF-8 where it is valid, `\xNN` for bytes that are not, control characters escaped. */
export function showPath(path: BytePath): string {
  const text = Buffer.from(path, 'latin1').toString('utf8')
  const shown = text.includes('\uFFFD')
    ? path.replace(/[\x80-\xff]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`)
    : text
  // oxlint-disable-next-line no-control-regex -- control characters are what is being made visible
  return shown.replace(/[\x00-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

export interface PathRequest {
  readonly kind: 'path'
  readonly access: PathAccess
  /** Absolute and canonical: no `.`, no `..`, no `//`, no trailing slash, no symbolic link on the way. */
  readonly path: BytePath
  /**
   * For `move`: the other end of the rename. An exclusion glob such as `!src/**` lets a directory be moved only where
   * both ends are known to lie in its reach; without this field such a move is refused.
   */
  readonly counterpart?: BytePath
  /**
   * For `look`: a directory is known to be there. One that a glob may have a match in can be looked at, as everything above a
   * grant can: realpath(3) asks for each directory on the way.
   */
  readonly directory?: true
}

/** A socket address, already parsed. Ports are 0-65535; IPv4-mapped IPv6 addresses stand as IPv4. */
export type SocketAddress =
  | { readonly family: 'inet'; readonly protocol: 'tcp' | 'udp'; readonly host: string; readonly port: number }
  | { readonly family: 'unix'; readonly path: BytePath }
  | { readonly family: 'abstract'; readonly name: BytePath }

export interface SocketRequest {
  readonly kind: 'socket'
  /** `connect` also stands for a datagram sent to an address. */
  readonly access: SocketAccess
  readonly address: SocketAddress
}

export type AccessRequest = PathRequest | SocketRequest

/** Why nothing covers a request. Data, for the message; never parsed again. */
export type DenialReason =
  | { readonly why: 'no-grant' }
  /** A grant covers it for less: `read` where `write` was asked. */
  | { readonly why: 'weaker-grant'; readonly grant: string }
  /** An exclusion (`!…`) carves it out of the grant. `from`: it stands in `list`, which read entries do not care for. */
  | { readonly why: 'excluded'; readonly exclusion: string; readonly from?: 'list' }
  /** Moving it would carry a path out of, or into, the reach of this exclusion. */
  | { readonly why: 'moves-excluded'; readonly exclusion: string }
  /** The thing that is moved may be a directory, and the grant covers one name, not everything below it. */
  | { readonly why: 'moves-uncovered'; readonly grant: string }
  /** The path is relative or empty, or has `.`, `..`, `//`, NUL or a trailing slash. */
  | { readonly why: 'not-canonical' }
  /** Something that the run depends on lies there or below: no entry lets anybody change it. */
  | { readonly why: 'protected'; readonly place: BytePath }
  /** A port on which the process that runs the tests listens. */
  | { readonly why: 'port-of-runner' }
