/** Derives from the accesses of tests what a manifest has to grant. */
import type { LedgerLine } from '../../broker/ledger.js'
import { isWithin } from '../../policy/canonical.js'
import type { HostUse } from '../../policy/event.js'
import type { ListKey } from '../../policy/lists.js'
import { LIST_FOR } from '../../policy/manifest.js'
import { bytePath, type BytePath, type PathRequest, type SocketRequest } from '../../policy/request.js'
import type { RecordedFile } from '../../vitest/recording.js'

export type PathList = Extract<ListKey, 'list' | 'read' | 'write' | 'exec'>

export type Need =
  /** `tree`: only a grant of everything below is enough, for a directory that is listed, created or moved. */
  | {
      readonly kind: 'path'
      readonly list: PathList
      readonly path: BytePath
      readonly tree: boolean
      readonly request: PathRequest
      /** True if a symbolic link is created there. It must not be where an entry leads: see `wouldRedirectGrant`. */
      readonly link: boolean
      /** The path as the test spelled it, where it differs. */
      readonly asked?: BytePath
    }
  | { readonly kind: 'tmp'; readonly list: PathList; readonly request: PathRequest }
  /** A path that existed and was looked at. Without a grant it would seem not to exist. */
  | {
      readonly kind: 'look'
      readonly path: BytePath
      readonly directory: boolean
      readonly request: PathRequest
      /** True if the test wanted to create it. If it may not be looked at, creating it is refused. */
      readonly made: boolean
    }
  | {
      readonly kind: 'socket'
      readonly request: SocketRequest
      readonly inTmp: boolean
      readonly host?: HostUse
    }

/** The need behind an access; undefined if an entry covers it already, or if a grant would make no difference. */
export function needOf(
  { request, outcome, operation, there, asked, by, host }: LedgerLine,
  { tmp }: Pick<RecordedFile, 'tmp'>,
): Need | undefined {
  // An entry of `deny` refused it, and the test went on.
  if (outcome === 'allowed' || request.kind === 'pair' || by !== undefined) return undefined
  if (request.kind === 'socket') {
    const { address } = request
    // A hidden socket belongs to a name service of the system, which libc can do without.
    return outcome === 'hidden'
      ? undefined
      : {
          kind: 'socket',
          request,
          inTmp: address.family === 'unix' && isWithin(address.path, bytePath(tmp)),
          ...(host === undefined ? {} : { host }),
        }
  }
  const isDirectory = there === 'directory'
  const { access, path } = request
  if (isWithin(path, bytePath(tmp))) return { kind: 'tmp', list: LIST_FOR[access], request }
  // Creating something that exists gives EEXIST wherever it may be looked at.
  const made = operation === 'create-directory' && isDirectory
  if (access === 'look' || made)
    return { kind: 'look', path, directory: isDirectory, made, request: { kind: 'path', access: 'look', path } }
  if (outcome === 'hidden') return undefined
  const tree =
    (isDirectory && access !== 'list') ||
    operation === 'create-directory' ||
    operation === 'remove-directory' ||
    access === 'move'
  const link = access === 'write' && (operation === 'create-symlink' || there === 'link')
  return {
    kind: 'path',
    list: LIST_FOR[access],
    path,
    tree,
    link,
    request,
    ...(asked === undefined ? {} : { asked }),
  }
}
