/**
 * Resolves what a target wrote to the canonical path that it means, one component at a time, as path_resolution(7)
 * says.
 *
 * The walk only asks for facts about names, and only in directories that the policy shows: looking up a name is itself
 * an act, which may start an automounter or tell a file server. The result is a proposal: it is decided, and then used
 * by an open that follows no link at all. So a link that is swapped in during the walk leads to ELOOP and never
 * elsewhere.
 */
import { Errno } from '../abi/errno.js'
import { AT_FDCWD } from '../abi/path-flags.js'
import { PathWalk } from '../abi/path-walk.js'
import { decide, maySeeInto } from '../policy/policy.js'
import { rawPath, type BytePath } from '../policy/request.js'
import type { PathArg } from './args.js'
import type { Call } from './call.js'
import { Fail, failed, type Outcome } from './outcome.js'
import { toPolicySpelling } from './place.js'
import type { EntryKind } from './ports.js'

const NAME_MAX = 255

/**
 * The treatment of a symbolic link at the end: `follow` it; `keep` it, unless a slash comes after it; or mean the
 * directory `entry` itself, whatever comes after it, as calls that make and remove entries do.
 */
export type LastLink = 'follow' | 'keep' | 'entry'

export interface Located {
  readonly path: BytePath
  /** The kind of the file; undefined if nothing is there. */
  readonly kind: EntryKind | undefined
  readonly trailingSlash: boolean
  /** Set if the path ends in `/proc/self/fd/N` of an object without a path: a pipe, a socket, an unlinked file. */
  readonly descriptor?: number
  /**
   * The path leads through a directory that the policy does not show. The disk was not asked, so `kind` is undefined;
   * `path` is spelled from the rest of the path.
   */
  readonly unseen?: true
}

/** The traces of a walk, however it ends. */
export interface WalkState {
  /** The last place that it reached. */
  at: string
  /** In audit mode, which shows everything: the first place that enforcing would not have asked for. */
  unseen?: BytePath
  /** A symbolic link was put in the way meanwhile. */
  changed?: true
}

/** True for an absolute path that is spelled as a canonical one would be. */
export function isClean(text: string): boolean {
  if (text.charCodeAt(0) !== SLASH || (text.length > 1 && text.charCodeAt(text.length - 1) === SLASH)) return false
  return !text.includes('//') && (!text.includes('/.') || !/\/\.{1,2}(?:\/|$)/.test(text))
}

const SLASH = 0x2f

/** The start of a relative path, as canonical text. */
function startOf(call: Pick<Call, 'target' | 'kernel'>, dirfd: number): Outcome<BytePath> {
  const text = dirfd === AT_FDCWD ? call.target.workingDirectory() : call.target.descriptorText(dirfd)
  if (failed(text)) return text
  if (text.endsWith(GONE) && dirfd !== AT_FDCWD && isFile(call, dirfd)) return Fail.of(Errno.ENOTDIR)
  // A socket or pipe as dirfd, or a directory that is no longer reachable from the root: "(unreachable)/…".
  return text.startsWith('/') ? text : Fail.of(text.startsWith('(unreachable)') ? Errno.ENOENT : Errno.ENOTDIR)
}

/** The suffix in /proc of a file that has lost its last name. */
const GONE = ' (deleted)'

/** True for a file that has lost its last name and is no directory. */
function isFile({ target, kernel }: Pick<Call, 'target' | 'kernel'>, fd: number): boolean {
  const held = target.fileOf(fd)
  if (failed(held)) return false
  const facts = kernel.facts(held)
  held.close()
  return !failed(facts) && facts.links === 0 && facts.kind !== 'directory'
}

/** Joins the text to its start, without resolving it. */
export function absolute(call: Pick<Call, 'target' | 'kernel'>, { text, dirfd }: PathArg): Outcome<string> {
  if (text === '') return Fail.of(Errno.ENOENT)
  if (text.startsWith('/')) return text
  const start = startOf(call, dirfd)
  if (failed(start)) return start
  return start === '/' ? `/${text}` : `${start}/${text}`
}

/** The parts of a call that `resolve` needs. */
type Asker = Pick<Call, 'kernel' | 'target' | 'policy'>

export function resolve(call: Asker, text: string, last: LastLink, way: WalkState = { at: '' }): Outcome<Located> {
  const pid = call.target.pid()
  if (failed(pid)) return pid
  return new Walk(call, pid, last, way).run(text)
}

/** True if the disk may be asked for this name. `directory` holds the name, and exists. */
function mayAskFor({ policy, kernel }: Asker, pid: number, directory: BytePath, name: BytePath): boolean {
  const path = toPolicySpelling(name, pid)
  if (decide(policy, { kind: 'path', access: 'look', path }).allowed) return true
  return maySeeInto(policy, toPolicySpelling(directory, pid)) && !kernel.mountsOnDemand(directory)
}

class Walk {
  constructor(
    readonly call: Asker,
    readonly pid: number,
    readonly last: LastLink,
    readonly way: WalkState,
  ) {}

  run(text: string): Outcome<Located> {
    const walk = new PathWalk(text)
    let trailing = mustBeDirectory(text)
    let slashed = hasSlash(text)
    let kind: EntryKind = 'directory'
    for (let next = walk.next(); next !== undefined; next = walk.next()) {
      if (next.length - walk.at.length - 1 > NAME_MAX) return Fail.of(Errno.ENAMETOOLONG)
      const here = rawPath(next)
      const { at, rest } = walk
      if (!this.#mayAskFor(at, here, rest))
        return { path: spelled(here, rest), kind: undefined, trailingSlash: slashed, unseen: true }
      this.way.at = here
      const found = this.#kindOf(here)
      if (failed(found)) {
        if (found.errno === Errno.ELOOP) this.way.changed = true
        if (found.errno !== Errno.ENOENT || rest.length > 0) return found
        return { path: here, kind: undefined, trailingSlash: slashed }
      }
      const final = rest.length === 0 && (this.last === 'entry' || (this.last === 'keep' && !trailing))
      if (found !== 'link' || final) {
        walk.at = here
        kind = found
        if (kind !== 'directory' && rest.length > 0) return Fail.of(Errno.ENOTDIR)
        continue
      }
      // Where another process's link leads is that process's own affair: the walk ends here, and this name is decided.
      if (this.#isForeign(here)) return { path: here, kind: 'link', trailingSlash: slashed }
      const to = this.#linkText(here)
      if (failed(to)) return to
      if (to === '') return Fail.of(Errno.ENOENT)
      const magic = this.#descriptorBehind(here, to)
      if (magic !== undefined) {
        if (rest.length > 0)
          return Fail.of(to.endsWith(GONE) && !isFile(this.call, magic) ? Errno.ENOENT : Errno.ENOTDIR)
        return { path: here, kind: 'link', trailingSlash: slashed, descriptor: magic }
      }
      if (rest.length === 0) {
        trailing ||= mustBeDirectory(to)
        slashed ||= hasSlash(to)
      }
      if (!walk.follow(to)) return Fail.of(Errno.ELOOP)
    }
    if (trailing && kind !== 'directory' && this.last !== 'entry') return Fail.of(Errno.ENOTDIR)
    return { path: rawPath(walk.at === '' ? '/' : walk.at), kind, trailingSlash: slashed }
  }

  #mayAskFor(at: string, here: BytePath, rest: readonly string[]): boolean {
    if (mayAskFor(this.call, this.pid, rawPath(at === '' ? '/' : at), here)) return true
    if (this.call.policy.mode !== 'audit') return false
    this.way.unseen ??= toPolicySpelling(spelled(here, rest), this.pid)
    return true
  }

  #kindOf(path: BytePath): Outcome<EntryKind> {
    // To the kernel these two mean the process that asks, which is the broker; here they mean the target.
    if (path === '/proc/self' || path === '/proc/thread-self') return 'link'
    return this.call.kernel.kindOf(path)
  }

  #linkText(path: BytePath): Outcome<BytePath> {
    if (path === '/proc/self') return rawPath(`${this.pid}`)
    if (path === '/proc/thread-self') return rawPath(`${this.pid}/task/${this.call.target.tid}`)
    return this.call.kernel.linkText(path)
  }

  /** True for a path below /proc/<pid> of any process but the target's own. */
  #isForeign(path: BytePath): boolean {
    const pid = /^\/proc\/(\d+)\//.exec(path)?.[1]
    return pid !== undefined && Number(pid) !== this.pid
  }

  /** The N of `/proc/<own pid>/fd/N` or `…/task/<tid>/fd/N`, if the text behind it is no path to walk. */
  #descriptorBehind(path: BytePath, text: BytePath): number | undefined {
    const match = /^\/proc\/(\d+)(?:\/task\/\d+)?\/fd\/(\d+)$/.exec(path)
    if (match === null || Number(match[1]) !== this.pid) return undefined
    return text.startsWith('/') && !text.endsWith(GONE) ? undefined : Number(match[2])
  }
}

/** The path as far as it can be told without asking the disk: a name before `..` may be a link. */
function spelled(here: BytePath, rest: readonly string[]): BytePath {
  const up = rest.indexOf('..')
  const names = (up < 0 ? rest : rest.slice(0, up)).filter((name) => name !== '.')
  return rawPath([here, ...names].join('/'))
}

/** True for `a/`, `a/.` and `a/..`, which are only valid for a directory, and follow a link at the end. */
function mustBeDirectory(text: string): boolean {
  return /(?:\/|(?:^|\/)\.{1,2})$/.test(text)
}

/** True for a slash after a name. After `.` and `..` a slash adds nothing. */
export function hasSlash(text: string): boolean {
  return text.endsWith('/') && !/(?:^|\/)\.{1,2}\/+$/.test(text)
}

/**
 * The text that readlink(2) of `/proc/self` and `/proc/thread-self` gives this target; undefined for any other path.
 */
export function ownLink(target: Call['target'], text: string): Outcome<string> | undefined {
  if (text !== '/proc/self' && text !== '/proc/thread-self') return undefined
  const pid = target.pid()
  if (failed(pid)) return pid
  return text === '/proc/self' ? `${pid}` : `${pid}/task/${target.tid}`
}
