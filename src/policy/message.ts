import { byName } from './by-name.js'
import type { HostUse } from './event.js'
import { quote } from './nearest.js'
import type { Operation } from './operations.js'
import { bytePath, showPath, type AccessRequest, type BytePath, type DenialReason } from './request.js'
import type { Suggestion } from './suggest.js'
import { describeReason, describeRequest, hostEntry, showAddress } from './words.js'

/** One refused request and the facts about it. */
interface Denial {
  readonly request: AccessRequest
  readonly reason: DenialReason
  readonly suggestion: Suggestion
  /** The operation of the system call, if there was a call. */
  readonly operation?: Operation
  /** The path as the test spelled it, where it differs from the canonical one. */
  readonly asked?: BytePath
  /** For an interpreter: the script or program that names it. */
  readonly starts?: BytePath
  readonly host?: HostUse
  /** The test file, relative to the root. */
  readonly testFile?: string
  readonly testName?: string
  /** The declared resources that cover the request: see `namesFor`. */
  readonly names?: readonly string[]
  /** True if audit mode let it through. */
  readonly audited?: boolean
}

/** The text of a violation: the request, the real path, the reason for the refusal, and the line to write. */
export function describeDenial(denial: Denial): string {
  const { request, reason, suggestion, operation, asked, starts, host, names = [], audited = false } = denial
  const spelled = asked !== undefined && request.kind === 'path' ? { ...request, path: asked } : request
  const moved = request.kind === 'path' && asked !== undefined && asked !== request.path ? request.path : undefined
  const real = moved !== undefined ? showPath(moved) : host?.stage === 'found' ? describeAddress(request) : undefined
  return [
    ...where(denial),
    `  ${audited ? 'recorded' : 'refused'}: ${host === undefined ? describeRequest(spelled, operation) : describeHost(host, request)}${starts === undefined ? '' : `, which starts ${showPath(starts)}`}`,
    ...(real === undefined ? [] : [`  that is: ${real}`]),
    `  because: ${describeReason(reason, request)}`,
    ...toDo(suggestion),
    ...(host?.port === '*' ? ['  with its port instead of *, if you know it'] : []),
    ...byName(names),
  ].join('\n')
}

function describeHost(host: HostUse, request: AccessRequest): string {
  return host.stage === 'asked' ? `look up ${host.name}` : `connect to ${hostEntry(host, request)}`
}

function describeAddress(request: AccessRequest): string | undefined {
  return request.kind === 'socket' ? showAddress(request.address) : undefined
}

/** The line to write. A dangerous entry is never offered in the same words as another. */
export function toDo({ key, entry, line, danger }: Suggestion): readonly string[] {
  const isRemoval = line.startsWith('remove ')
  if (danger === undefined)
    return [isRemoval ? `  to allow it, ${line}` : `  to allow it, add to the manifest: ${line}`]
  return [
    `  dangerous: ${danger}`,
    ...(key === 'read' && !isRemoval ? [`  to have it refused and go on: deny: [${quote(entry)}]`] : []),
    isRemoval ? `  to allow it all the same, ${line}` : `  to allow it all the same: ${line}`,
  ]
}

/**
 * Escapes a name. Names come from the worker: a control character must not reach a terminal, nor a line break a
 * message.
 */
export function showName(name: string): string {
  return showPath(bytePath(name))
}

function where({ testFile, testName }: Denial): string[] {
  const shown = [testFile, testName].filter((part) => part !== undefined).map(showName)
  return shown.length === 0 ? [] : [shown.join(' > ')]
}
