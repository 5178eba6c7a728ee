/**
 * execve(2), execveat(2). No other process can make this call for the caller, so it is continued, and the kernel may
 * then read something else from memory than was decided on. Landlock's execute right still holds then, in the domain
 * that every thread of the worker was born into: it covers the granted programs and their interpreters, and nothing
 * else.
 */
import { Errno } from '../abi/errno.js'
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW } from '../abi/path-flags.js'
import { EXEC_WITHOUT_LANDLOCK } from '../policy/manifest.js'
import { decide } from '../policy/policy.js'
import { rawPath, type PathRequest } from '../policy/request.js'
import { constant, int, path, pathAt, type PathArg } from './args.js'
import type { Call, Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { interpreterIn } from './interpreter.js'
import { onPath, refuse } from './mediate.js'
import { Fail, failed } from './outcome.js'
import { Place } from './place.js'
import { resolve } from './resolve.js'

const family = 'exec'
const answer = "decided by exec grants, then continued: Landlock's execute right decides in the kernel"

function execCall(call: Call, { where, flags }: { where: PathArg; flags: number }): Reply {
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return Fail.of(Errno.EINVAL)
  const forbid = (why: string): Reply => {
    call.record({ outcome: 'forbidden', violation: true, why })
    return Fail.of(Errno.EACCES)
  }
  // The program would be the worker's first thread, without the Landlock domain and the death signal of that one.
  if (call.target.tid !== call.target.worker) {
    const pid = call.target.pid()
    if (failed(pid)) return pid
    if (pid === call.target.worker)
      return forbid('runs a program in place of the worker, from another thread than its first')
  }
  // Landlock does not see files without a place in the file system, such as a memfd.
  if (where.text === '' && (flags & AT_EMPTY_PATH) !== 0) return forbid('runs a program through a descriptor')
  const last = (flags & AT_SYMLINK_NOFOLLOW) === 0 ? ('follow' as const) : ('keep' as const)
  const wanted = { access: 'execute' as const, last, descriptor: () => forbid('runs a program through /proc/self/fd') }
  return onPath(call, where, wanted, (place) => {
    switch (call.execAuthority) {
      case 'landlock':
        return startsUngranted(call, place, 0) ?? { kind: 'continue', reason: 'landlock-decides' }
      case 'unsafe':
        return { kind: 'continue', reason: 'unsafe-by-option' }
      default:
        return forbid(
          `this kernel has no Landlock, which alone could hold a program to its grant (unsafe: ['${EXEC_WITHOUT_LANDLOCK}'] runs it all the same)`,
        )
    }
  })
}

/** BINPRM_MAX_RECURSION, fs/exec.c: an interpreter may be a script itself. */
const MOST_INTERPRETERS = 5

/**
 * Refuses a program whose interpreter may not be executed, such as a script that was made after the programs were
 * looked through: the kernel would refuse it without saying why. Returns undefined if the interpreter may be executed,
 * or the kernel has its own errno for the case.
 */
function startsUngranted(call: Call, program: Place, depth: number): Fail | undefined {
  const { interpreters } = call.policy
  if (interpreters === undefined || depth > MOST_INTERPRETERS || willBringIt(call, program)) return undefined
  const head = call.kernel.head(program)
  // ELOOP: a link, which the walk decides on.
  if (failed(head)) return head.errno === Errno.ELOOP ? head : undefined
  const named = interpreterIn(Buffer.from(head))
  if (named === undefined) return undefined
  const found = resolve(call, named.path, 'follow')
  if (failed(found) || (found.kind === undefined && found.unseen !== true)) return undefined
  if (interpreters.has(found.path)) return undefined
  const request: PathRequest = { kind: 'path', access: 'execute', path: found.path }
  const verdict = decide(call.policy, request)
  if (verdict.allowed) {
    const pid = call.target.pid()
    return failed(pid) ? pid : startsUngranted(call, new Place(verdict.granted, pid, false), depth + 1)
  }
  const starts = program.granted.path
  return refuse(call, request, verdict.reason, {
    ...(starts === undefined ? {} : { starts }),
    ...(found.path === named.path ? {} : { asked: rawPath(named.path) }),
  })
}

/**
 * True of a program that only audit mode lets through: its entry will bring its interpreter, which is looked for when a
 * run starts. So a program that a test makes brings none.
 */
function willBringIt({ kernel }: Call, program: Place): boolean {
  return program.granted.how === 'audit' && kernel.isNew(program) !== true
}

const NO_FLAGS = constant(0)

export const execFamily: readonly Row[] = [
  defineSyscall({
    name: 'execve',
    family,
    operation: 'run',
    answer,
    args: { where: path(0), flags: NO_FLAGS },
    handle: execCall,
  }),
  defineSyscall({
    name: 'execveat',
    family,
    operation: 'run',
    answer,
    args: { where: pathAt(0, 1), flags: int(4) },
    handle: execCall,
  }),
]
