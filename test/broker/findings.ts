/** Findings as the table's rows make them. */
import { decide } from '../../src/policy/policy.js'
import { rawPath, type PathAccess, type PathRequest } from '../../src/policy/request.js'
import type { Finding } from '../../src/syscalls/call.js'
import type { EntryKind } from '../../src/syscalls/ports.js'
import { policyOf } from '../contracts/rules.js'

const request = (path: string, access: PathAccess): PathRequest => ({ kind: 'path', access, path: rawPath(path) })

/** Of something that `write +/r/` covers. */
export function used(path: string, access: PathAccess = 'read'): Finding {
  const asked = request(path, access)
  const verdict = decide(policyOf(['write +/r/']), asked)
  if (!verdict.allowed) throw new Error(`${path} is not below /r/`)
  return { kind: 'used', request: asked, granted: verdict.granted }
}

export function violation(path: string, access: PathAccess = 'read'): Finding {
  return { kind: 'violation', request: request(path, access), reason: { why: 'no-grant' } }
}

/** A look at something that is not granted. */
export function look(path: string, there?: EntryKind): Finding {
  return { kind: 'quiet', request: request(path, 'look'), ...(there === undefined ? {} : { there }) }
}
