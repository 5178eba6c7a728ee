/** Findings as the table's rows make them. */
import { allowed, type AccessOutcome } from '../../src/policy/event.js'
import { decide } from '../../src/policy/policy.js'
import { rawPath, type PathAccess, type PathRequest } from '../../src/policy/request.js'
import type { EntryKind } from '../../src/syscalls/ports.js'
import { policyOf } from '../contracts/rules.js'

const request = (path: string, access: PathAccess): PathRequest => ({ kind: 'path', access, path: rawPath(path) })

/** Of something that `write +/r/` covers. */
export function used(path: string, access: PathAccess = 'read'): AccessOutcome {
  const asked = request(path, access)
  const verdict = decide(policyOf(['write +/r/']), asked)
  if (!verdict.allowed) throw new Error(`${path} is not below /r/`)
  return allowed(asked, verdict.granted)
}

export function violation(path: string, access: PathAccess = 'read'): AccessOutcome {
  return { outcome: 'denied', request: request(path, access), reason: { why: 'no-grant' } }
}

/** A look at something that is not granted. */
export function look(path: string, there?: EntryKind): AccessOutcome {
  return { outcome: 'hidden', request: request(path, 'look'), ...(there === undefined ? {} : { there }) }
}
