import { mayBeWithin } from './fold.js'
import type { BytePath, PathAccess } from './request.js'
import type { Resource } from './resources.js'
import type { SocketRule } from './sockets.js'

/**
 * One entry of a path list after binding. Plain data: it is sent to the broker's thread as it is.
 */
export interface PathRule {
  readonly effect: 'grant' | 'exclude'
  /** `write` implies content, read, list and look; `content` and `execute` read, list and look; `read` list and look; `list` look. */
  readonly access: RuleAccess
  /** `file` is that one path, `tree` the path and everything below it, `glob` what `pattern` matches below `root`. */
  readonly shape: 'file' | 'tree' | 'glob'
  /** Canonical: the file, the top of the tree, or the directory that the glob's fixed part names. */
  readonly root: BytePath
  /** For `glob`: absolute. It starts with the text of `root`, taken literally even where that has glob characters. */
  readonly pattern?: string
  /** The spelling before symbolic links were resolved, where it differs, and what it leads through. May be looked at, not opened. */
  readonly aliases: readonly BytePath[]
  /** For an exclusion: `root` is a symbolic link on the way to what the entry means, which has to stay as it is. */
  readonly isWay?: true
  /** An exclusion that no entry lifts: protect.ts. */
  readonly isProtected?: true
  /** Of an entry of `deny`: how what it refuses seems to the test. */
  readonly quiet?: 'absent' | 'forbidden'
  /** The user's text: `test/fixtures/`. */
  readonly source: string
  /** Where it was written: `manifest.read[0]`. */
  readonly at: string
  /** The reason that the user gave. */
  readonly why?: string
  /** Why it is always granted. Only base grants have one. */
  readonly reason?: string
}

/** `look` is for base grants only: no manifest has it. */
export type RuleAccess = 'look' | 'list' | 'read' | 'content' | 'write' | 'execute'

const implied: { readonly [access in RuleAccess]: ReadonlySet<PathAccess> } = {
  look: new Set(['look']),
  list: new Set(['look', 'list']),
  read: new Set(['look', 'list', 'read']),
  content: new Set(['look', 'list', 'read', 'content']),
  write: new Set(['look', 'list', 'read', 'content', 'write', 'move']),
  execute: new Set(['look', 'list', 'read', 'execute']),
}

/** True if a grant of `granted` is enough for `asked`, where it covers the path. */
export function implies(granted: RuleAccess, asked: PathAccess): boolean {
  return implied[granted].has(asked)
}

/** Of two rules that cover the same path: whether the first is an exclusion that wins over the second, a grant. */
export function beats(exclusion: PathRule, grant: PathRule): boolean {
  if (exclusion.effect !== 'exclude') return false
  return exclusion.shape === 'glob' ? grant.shape !== 'file' : mayBeWithin(exclusion.root, grant.root)
}

/**
 * The rules of one list, such as `manifest.read`. An exclusion carves only out of the grants of its own list, and any
 * list that grants is enough: so a further list can only add.
 */
export type RuleList = readonly PathRule[]

export type Mode = 'enforce' | 'audit'

/** Everything a decision depends on, as plain data. */
export interface PolicyData {
  readonly lists: readonly RuleList[]
  readonly sockets: readonly SocketRule[]
  readonly mode: Mode
  /**
   * The programs that the kernel may start in the place of granted ones: interpreters and loaders, by their canonical paths. Not known
   * where this is left out: then the kernel alone decides.
   */
  readonly interpreters?: readonly BytePath[]
  /** Exclusions from every list, whose refusals are no violations: the entries of `deny`. */
  readonly denied?: RuleList
  /** Resources to be acquired by name. Of two with one name, the later one counts. */
  readonly resources?: readonly Resource[]
  /**
   * Paths that some entry of the whole manifest names. None of them, and nothing above them, may be turned into a symbolic
   * link: entries are resolved when a run starts, so the next run would grant what the link leads to.
   */
  readonly anchors?: readonly BytePath[]
  /** Beyond this nothing is allowed, whatever the lists say: what somebody else grants, who need not trust who made them. */
  readonly ceiling?: Pick<PolicyData, 'lists' | 'sockets' | 'denied'>
  /** The terminal that the process was started on, whose settings it may change: tcsetattr(3). */
  readonly terminal?: BytePath
  /** TCP ports of the process that runs the tests: its API and its server for modules. No `connect` entry covers them. */
  readonly runnerPorts?: readonly number[]
}
