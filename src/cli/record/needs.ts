/** The needs of a manifest, read from the accesses of tests. */
import type { LedgerLine } from '../../broker/ledger.js'
import { isWithin } from '../../policy/canonical.js'
import type { HostUse } from '../../policy/event.js'
import type { ListKey } from '../../policy/lists.js'
import { LIST_FOR } from '../../policy/manifest.js'
import { bytePath, type BytePath, type PathRequest, type SocketRequest } from '../../policy/request.js'
import type { RecordedFile } from '../../vitest/recording.js'

export type PathList = Extract<ListKey, 'list' | 'read' | 'write' | 'exec'>

export type Need =
  /** `tree`: only a grant of everything below will do: a directory that is listed, made or moved. */
  | {
      readonly kind: 'path'
      readonly list: PathList
      readonly path: BytePath
      readonly tree: boolean
      readonly request: PathRequest
      /** A symbolic link comes to stand there, which must not be where an entry leads: see `wouldRedirectGrant`. */
      readonly link: boolean
      /** As the test spelled it, where that differs. */
      readonly asked?: BytePath
    }
  | { readonly kind: 'tmp'; readonly list: PathList; readonly request: PathRequest }
  /** It was there and was looked at. Without any grant for it, it would seem not to be there. */
  | {
      readonly kind: 'look'
      readonly path: BytePath
      readonly directory: boolean
      readonly request: PathRequest
      /** The test would have made it. Where it may not be looked at, that is refused. */
      readonly made: boolean
    }
  | {
      readonly kind: 'socket'
      readonly request: SocketRequest
      readonly inTmp: boolean
      readonly host?: HostUse
    }

/** Nothing for what an entry covers already, and for what is the same with and without a grant. */
export function needOf(
  { request, outcome, operation, there, asked, by, host }: LedgerLine,
  { tmp }: Pick<RecordedFile, 'tmp'>,
): Need | undefined {
  // What `deny` names was refused, and the test went on.
  if (outcome === 'allowed' || request.kind === 'pair' || by !== undefined) return undefined
  if (request.kind === 'socket') {
    const { address } = request
    // Hidden: a name service of the system, without which libc does as well.
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
  // To make what is there already is answered with EEXIST wherever it may be looked at.
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
