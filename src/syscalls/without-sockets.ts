/**
 * Sockets on machines where the broker cannot reach a worker's, because a container's profile forbids pidfd_getfd(2):
 * there is no other way to act on them, so a worker can have none.
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
 * socket(2), refused. libuv tries datagram, route and unix sockets by itself to look up names, and can do without; a
 * program that asks for an internet stream needs it, which is a violation.
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

/**
 * The row on such a machine. A worker keeps only the sockets from its birth, and pairs, which it reads and writes by
 * itself.
 */
export function withoutSockets(row: Row): Row {
  if (row.family !== 'sockets') return row
  return row.name === 'socket' ? socketRow : refuse(row.name, Errno.EACCES, WHY, 'probe')
}
