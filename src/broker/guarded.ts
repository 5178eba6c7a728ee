import { Errno } from '../abi/errno.js'
import type { Call, Reply } from '../syscalls/call.js'
import type { Row } from '../syscalls/define.js'
import { Fail } from '../syscalls/outcome.js'

/** A defect of ours must not become an allow, and must not be silent. */
export function guarded(row: Pick<Row, 'run'>, call: Call, tell: (detail: string) => void): Reply {
  let reply: Reply = Fail.of(Errno.EACCES)
  try {
    reply = row.run(call)
  } catch (error) {
    tell(error instanceof Error ? error.stack ?? error.message : String(error))
  }
  return reply
}
