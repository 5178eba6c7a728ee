import type { HostUse } from './event.js'
import { formatIp, parseIp } from './ip.js'
import { quote } from './nearest.js'
import { factsOf, type Operation } from './operations.js'
import { showPath, type AccessRequest, type DenialReason, type PathRequest, type SocketAddress } from './request.js'
import { withoutFill } from './sockets.js'

const byAccess: { readonly [access in AccessRequest['access']]: string } = {
  look: 'look at …',
  list: 'list …',
  read: 'open … for reading',
  content: 'open … for writing',
  write: 'open … for writing',
  move: 'move …',
  execute: 'run …',
  connect: 'connect to …',
  listen: 'listen on …',
}

/** The request as half a sentence: `open /etc/passwd for reading`. `operation` is that of the call that asked. */
export function describeRequest(request: AccessRequest, operation?: Operation): string {
  const { says } = operation === undefined ? {} : factsOf(operation)
  const shown = request.kind === 'path' ? showPath(request.path) : showAddress(request.address)
  // A function, because a path may contain what `replace` takes for a pattern (`$&`).
  return (says ?? byAccess[request.access]).replace('…', () => shown)
}

/** An address as it is written in a manifest: `tcp:[::1]:80`, `unix:/run/x.sock`, `unix:@name`. */
export function showAddress(address: SocketAddress): string {
  switch (address.family) {
    case 'inet': {
      const ip = parseIp(address.host)
      const host = ip === undefined ? address.host : formatIp(ip)
      return `${address.protocol}:${host.includes(':') ? `[${host}]` : host}:${address.port}`
    }
    case 'unix':
      return `unix:${showPath(address.path)}`
    case 'abstract':
      return `unix:@${showPath(withoutFill(address.name))}`
  }
}

/** A host as a `connect` entry names it. Such an entry also covers the connection to the name server. */
export function hostEntry({ name, port, stage }: HostUse, request: AccessRequest): string {
  const found = stage === 'found' && request.kind === 'socket' ? request.address : undefined
  return `${found?.family === 'inet' ? found.protocol : 'tcp'}:${name}:${port}`
}

const purposes: { readonly [access in PathRequest['access']]: string } = {
  look: 'looking',
  list: 'listing',
  read: 'reading',
  content: 'writing',
  write: 'writing',
  move: 'moving',
  execute: 'running it',
}

/** The reason why no grant covers the request, as half a sentence. */
export function describeReason(reason: DenialReason, request: AccessRequest): string {
  switch (reason.why) {
    case 'no-grant':
      return 'no entry covers it'
    case 'weaker-grant':
      return `${quote(reason.grant)} covers it, but not for ${request.kind === 'path' ? purposes[request.access] : 'that'}`
    case 'excluded':
      return `${quote(reason.exclusion)} excludes it`
    case 'moves-excluded':
      return `moving it could carry something past ${quote(reason.exclusion)}`
    case 'moves-uncovered':
      return `${quote(reason.grant)} covers this name only, and a directory is moved with everything below it`
    case 'not-canonical':
      return 'the path is not in canonical form'
    case 'protected':
      return `the run depends on ${showPath(reason.place)}, which no entry lets anybody change`
    case 'port-of-runner':
      return 'Vitest itself listens there, and no entry covers that'
  }
}
