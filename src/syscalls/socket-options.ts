/** Options of a socket that cannot be left to the target, because the broker would wait: in close(2), and in connect(2). */
import { Errno } from '../abi/errno.js'
import { SOL_SOCKET, SO_LINGER, SO_SNDTIMEO } from '../abi/socket.js'
import { int, word } from './args.js'
import { done, type Call, type Reply } from './call.js'
import { defineSyscall, refuse, type Row } from './define.js'
import { onOwn } from './handle.js'
import { Fail, failed } from './outcome.js'

/** struct linger: int l_onoff, int l_linger; struct timeval. socket(7). */
const SIZE = new Map([[SO_LINGER, 8], [SO_SNDTIMEO, 16]])

interface Option {
  readonly fd: number
  readonly level: number
  readonly option: number
  readonly from: number
  readonly length: number
}

const unlisted = refuse('setsockopt', Errno.ENOPROTOOPT, 'a socket option that is not on the list', 'probe')

/**
 * SO_LINGER: a lingering close waits in whoever closes last, which may be the broker, and for as long as the target
 * said. So a time is taken and not set: what was not sent is sent all the same, and close returns at once. A time of 0,
 * which resets the connection, waits for nothing and is set. SO_SNDTIMEO: set as it is, but not while the broker relies
 * on its own.
 */
function setOption(call: Call, { fd, level, option, from, length }: Option): Reply {
  const size = level === SOL_SOCKET ? SIZE.get(option) : undefined
  if (size === undefined) return unlisted.run(call)
  return onOwn(call, fd, (held) => {
    const facts = call.kernel.sockets.facts(held)
    if (failed(facts)) return facts
    if (length < size) return Fail.of(Errno.EINVAL)
    const bytes = call.target.readBytes(from, size)
    if (failed(bytes)) return bytes
    if (option === SO_SNDTIMEO) return done(call.kernel.sockets.sendTimeout(held, bytes))
    const linger = new DataView(bytes.buffer, bytes.byteOffset)
    return done(call.kernel.sockets.resetOnClose(held, linger.getInt32(0, true) !== 0 && linger.getInt32(4, true) === 0))
  })
}

export const optionFamily: readonly Row[] = [
  defineSyscall({
    name: 'setsockopt', family: 'sockets',
    answer: '`SO_LINGER`, set without its time, because the broker may be who closes last; `SO_SNDTIMEO`; other options that are not on the list: `ENOPROTOOPT`',
    args: { fd: int(0), level: int(1), option: int(2), from: word(3), length: int(4) }, handle: setOption,
  }),
]
