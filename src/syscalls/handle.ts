/** Opens the file of a path or a descriptor for a call that looks at it or alters it. */
import { openFlags } from '../abi/open-flags.js'
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../abi/path-flags.js'
import type { PathArg } from './args.js'
import { GONE, type Call, type Reply } from './call.js'
import { onDescriptorPath, onPath, type Wanted } from './mediate.js'
import { failed, type Outcome } from './outcome.js'
import type { Place } from './place.js'
import type { Descriptor } from './ports.js'

/** An action on a file. `place` is where it is; undefined if the target gave a descriptor. */
type Act = (fd: Descriptor, place?: Place) => Reply

/**
 * Acts on a duplicate of the target's own descriptor. A call that waits keeps the duplicate until it is answered: it
 * acts on the file that it was decided on, even if the number means another file by then.
 */
export function onOwn(call: Call, fd: number, act: Act): Reply {
  return on(call.target.descriptor(fd), act)
}

/** Acts on the file of a descriptor, for calls that need no more than the file. */
function onFile(call: Call, fd: number, act: Act): Reply {
  return on(call.target.fileOf(fd), act)
}

function on(held: Outcome<Descriptor>, act: Act): Reply {
  return failed(held) ? held : keeping(held, () => act(held))
}

function keeping(held: Descriptor, act: () => Reply): Reply {
  let waits = false
  try {
    const reply = act()
    if (failed(reply) || reply.kind !== 'later') return reply
    waits = true
    const { descriptors, bytes } = reply.keeps ?? { descriptors: 0, bytes: 0 }
    return {
      ...reply,
      keeps: { descriptors: descriptors + 1, bytes },
      again: () => keeping(held, reply.again),
      cancel() {
        reply.cancel()
        held.close()
      },
    }
  } finally {
    if (!waits) held.close()
  }
}

/** The status flags of the descriptor that `held` was taken from: fcntl(2), F_GETFL. */
export function statusOf(call: Call, fd: number, held: Descriptor): Outcome<number> {
  const status = call.kernel.statusFlags(held)
  return failed(status) || (status & O_PATH) === 0 ? status : call.target.flagsOf(fd, held)
}

/** The flag is the same on both architectures. */
const { O_PATH } = openFlags('x64')

/** Makes a change through a descriptor, which needs the same grant as through the path of its file. */
export function onHeld(call: Call, fd: number, act: Act, access: 'content' | 'write' = 'write'): Reply {
  return onFile(call, fd, (held) => {
    const text = call.kernel.textOf(held)
    const facts = call.kernel.facts(held)
    if (failed(text)) return text
    if (failed(facts)) return facts
    return onDescriptorPath(call, text, facts.links, access, () => act(held))
  })
}

/**
 * Acts on a handle of the path or, for an empty path with AT_EMPTY_PATH, on a duplicate of the target's own descriptor.
 * `flags`: AT_*, already checked.
 */
export function onHandle(call: Call, where: PathArg, access: 'look' | 'write', flags: number, act: Act): Reply {
  const through = access === 'look' ? onFile : onHeld
  const isEmpty = where.text === '' && (flags & AT_EMPTY_PATH) !== 0
  if (isEmpty && where.dirfd !== AT_FDCWD) return through(call, where.dirfd, act)
  const last = (flags & AT_SYMLINK_NOFOLLOW) === 0 ? ('follow' as const) : ('keep' as const)
  const wanted: Wanted = { access, last, descriptor: (_, fd) => through(call, fd, act) }
  return onPath(call, isEmpty ? { ...where, text: '.' } : where, wanted, (place) => {
    const handle = call.kernel.handle(place, last)
    if (failed(handle)) return handle
    if (place.path.startsWith('/proc/') && !call.target.stillWaiting()) {
      handle.close()
      return GONE
    }
    const reply = act(handle, place)
    handle.close()
    return reply
  })
}
