/** Guards against defects of our own: one must not become an allow, and must not be silent. */
import { Errno } from '../abi/errno.js'
import { ThreadLostError } from '../errors.js'
import { ErrorCode } from '../protocol.js'
import type { Call, Reply } from '../syscalls/call.js'
import type { Row } from '../syscalls/define.js'
import { Fail } from '../syscalls/outcome.js'
import type { FrameAnswer } from './channel.js'

type Tell = (detail: string) => void

/** Runs the handler of a call. If it throws, the call gets EACCES. */
export function guarded(row: Pick<Row, 'run'>, call: Call, tell: Tell): Reply {
  let reply: Reply = Fail.of(Errno.EACCES)
  try {
    reply = row.run(call)
  } catch (error) {
    tell(described(error))
  }
  return reply
}

/**
 * Answers a request on the channel, now and each time that it is asked again. If that throws, the request is refused.
 */
export function guardedAnswer(ask: () => FrameAnswer, tell: Tell): FrameAnswer {
  let answer: FrameAnswer = {
    kind: 'refused',
    refused: { code: ErrorCode.unavailable, errno: Errno.EACCES, text: 'the broker failed' },
  }
  try {
    answer = ask()
  } catch (error) {
    tell(described(error))
  }
  if (answer.kind !== 'later') return answer
  const { again, cancel } = answer
  return { kind: 'later', cancel, again: () => guardedAnswer(again, tell) }
}

function described(error: unknown): string {
  if (error instanceof ThreadLostError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
