import { formatIp, parseIp } from './ip.js'
import { showPath, type AccessRequest, type DenialReason, type PathRequest, type SocketAddress } from './request.js'

/** What each call does, for those whose purpose their access alone does not tell. `…` stands for the path. */
const verbs: { readonly [call: string]: string } = {
  mkdir: 'create the directory …',
  mkdirat: 'create the directory …',
  mknod: 'create …',
  mknodat: 'create …',
  unlink: 'remove …',
  unlinkat: 'remove …',
  rmdir: 'remove the directory …',
  rename: 'rename …',
  renameat: 'rename …',
  renameat2: 'rename …',
  link: 'link …',
  linkat: 'link …',
  symlink: 'create the symbolic link …',
  symlinkat: 'create the symbolic link …',
  truncate: 'truncate …',
  chmod: 'change the mode of …',
  fchmodat: 'change the mode of …',
  fchmodat2: 'change the mode of …',
  chown: 'change the owner of …',
  lchown: 'change the owner of …',
  fchownat: 'change the owner of …',
  utime: 'change the times of …',
  utimes: 'change the times of …',
  utimensat: 'change the times of …',
  setxattr: 'change attributes of …',
  lsetxattr: 'change attributes of …',
  removexattr: 'change attributes of …',
  chdir: 'change the directory to …',
  fchdir: 'change the directory to …',
}

const byAccess: { readonly [access in PathRequest['access']]: string } = {
  look: 'look at …',
  read: 'open … for reading',
  content: 'open … for writing',
  write: 'open … for writing',
  move: 'move …',
  execute: 'run …',
}

/** What was asked: `open /etc/passwd for reading`. `call` is the system call's name, where it is known. */
export function describeRequest(request: AccessRequest, call?: string): string {
  if (request.kind === 'socket') return describeSocket(request.access, request.address, call)
  const own = call !== undefined && Object.hasOwn(verbs, call) ? verbs[call] : undefined
  // A function, because a path may hold what `replace` reads as a pattern (`$&`).
  return (own ?? byAccess[request.access]).replace('…', () => showPath(request.path))
}

function describeSocket(access: 'connect' | 'listen', address: SocketAddress, call = ''): string {
  const shown = showAddress(address)
  if (access === 'listen') return `listen on ${shown}`
  return call.startsWith('send') ? `send to ${shown}` : `connect to ${shown}`
}

/** An address as a manifest writes it: `tcp:[::1]:80`, `unix:/run/x.sock`, `unix:@name`. */
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
      return `unix:@${showPath(address.name)}`
  }
}

const purposes: { readonly [access in PathRequest['access']]: string } = {
  look: 'looking',
  read: 'reading',
  content: 'writing',
  write: 'writing',
  move: 'moving',
  execute: 'running it',
}

/** Why no grant covers it, as half a sentence. */
export function describeReason(reason: DenialReason, request: AccessRequest): string {
  switch (reason.why) {
    case 'no-grant':
      return 'no entry covers it'
    case 'weaker-grant':
      return `'${reason.grant}' covers it, but not for ${request.kind === 'path' ? purposes[request.access] : 'that'}`
    case 'excluded':
      return `'${reason.exclusion}' excludes it`
    case 'moves-excluded':
      return `moving it could carry something past '${reason.exclusion}'`
    case 'moves-uncovered':
      return `'${reason.grant}' covers this name only, and a directory is moved with everything below it`
    case 'not-canonical':
      return 'the path is not in canonical form'
  }
}
