/**
 * Sockets where the broker cannot reach those of a worker, because a container's profile forbids pidfd_getfd(2): there is no other
 * way to act on them, so none can be had.
 */
import { Errno } from '../abi/errno.js'
import { AF_INET, AF_INET6, SOCK_STREAM } from '../abi/socket.js'
import { int } from './args.js'
import type { Call, Reply } from './call.js'
import { defineSyscall, refuse, type Row } from './define.js'
import { Fail, failed } from './outcome.js'
import { socketKind, TYPE_MASK } from './socket-kinds.js'

const WHY =
  "sockets are refused in this container: its profile forbids pidfd_getfd(2), without which no address can be decided (docs/guide/docker.md; unsafe: ['network'] leaves them alone)"

/**
 * libc looks names up over datagram, route and unix sockets by itself, and lives without; whoever asks for a stream of
 * the internet means it.
 */
function socketCall(call: Call, { domain, type, protocol }: Record<'domain' | 'type' | 'protocol', number>): Reply {
  const kind = socketKind(domain, type, protocol)
  if (failed(kind)) return kind
  const violation = (domain === AF_INET || domain === AF_INET6) && (type & TYPE_MASK) === SOCK_STREAM
  call.record({ outcome: 'forbidden', violation, why: WHY })
  return Fail.of(Errno.EACCES)
}

const socketRow = defineSyscall({
  name: 'socket',
  family: 'sockets',
  operation: 'create-socket',
  answer: 'refused',
  args: { domain: int(0), type: int(1), protocol: int(2) },
  handle: socketCall,
})

/** This row there. What is left to a worker are sockets from its birth and pairs, which it reads and writes by itself. */
export function withoutSockets(row: Row): Row {
  if (row.family !== 'sockets') return row
  return row.name === 'socket' ? socketRow : refuse(row.name, Errno.EACCES, WHY, 'probe')
}
