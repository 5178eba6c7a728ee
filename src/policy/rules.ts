import { mayBeWithin } from './fold.js'
import type { BytePath, PathAccess } from './request.js'
import type { Resource } from './resources.js'
import type { SocketRule } from './sockets.js'

/**
 * One entry of a path list after binding. Plain data: it is sent to the broker's thread as it is.
 */
export interface PathRule {
  readonly effect: 'grant' | 'exclude'
  /**
   * `write` includes content, read, list and look; `content` and `execute` include read, list and look; `read` includes
   * list and look; `list` includes look.
   */
  readonly access: RuleAccess
  /**
   * `file` covers that one path, `tree` the path and everything below it, `glob` what `pattern` matches below `root`.
   */
  readonly shape: 'file' | 'tree' | 'glob'
  /** Canonical: the file, the top of the tree, or the directory that the fixed part of the glob names. */
  readonly root: BytePath
  /**
   * For `glob`: absolute. It starts with the text of `root`, which is literal even where it contains glob characters.
   */
  readonly pattern?: string
  /**
   * The spelling before symbolic links were resolved, where it differs, and the places that it leads through. They may
   * be looked at, but not opened.
   */
  readonly aliases: readonly BytePath[]
  /** For an exclusion: `root` is a symbolic link on the way to the excluded place, and must stay as it is. */
  readonly isWay?: true
  /** An exclusion that no entry lifts: see protect.ts. */
  readonly isProtected?: true
  /** For an entry of `deny`: the look of a refused path to the test. */
  readonly quiet?: 'absent' | 'forbidden'
  /** The user's text: `test/fixtures/`. */
  readonly source: string
  /** The place where it was written: `manifest.read[0]`. */
  readonly at: string
  /** The reason that the user gave. */
  readonly why?: string
  /** The reason why it is always granted. Only base grants have one. */
  readonly reason?: string
}

/** The access that a rule grants. `look` is for base grants only: no manifest has it. */
export type RuleAccess = 'look' | 'list' | 'read' | 'content' | 'write' | 'execute'

const implied: { readonly [access in RuleAccess]: ReadonlySet<PathAccess> } = {
  look: new Set(['look']),
  list: new Set(['look', 'list']),
  read: new Set(['look', 'list', 'read']),
  content: new Set(['look', 'list', 'read', 'content']),
  write: new Set(['look', 'list', 'read', 'content', 'write', 'move']),
  execute: new Set(['look', 'list', 'read', 'execute']),
}

/** True if a grant of `granted` allows `asked`, where it covers the path. */
export function implies(granted: RuleAccess, asked: PathAccess): boolean {
  return implied[granted].has(asked)
}

/** True if the first of two rules that cover the same path is an exclusion, and wins over the second, a grant. */
export function beats(exclusion: PathRule, grant: PathRule): boolean {
  if (exclusion.effect !== 'exclude') return false
  return exclusion.shape === 'glob' ? grant.shape !== 'file' : mayBeWithin(exclusion.root, grant.root)
}

/**
 * The rules of one list, such as `manifest.read`. An exclusion carves only out of the grants of its own list, and any
 * list that grants is enough, so a further list can only add.
 */
export type RuleList = readonly PathRule[]

export type Mode = 'enforce' | 'audit'

/** Everything a decision depends on, as plain data. */
export interface PolicyData {
  readonly lists: readonly RuleList[]
  readonly sockets: readonly SocketRule[]
  readonly mode: Mode
  /**
   * The canonical paths of programs that the kernel may start in place of granted ones: interpreters and loaders. Left
   * out where they are not known: then only the kernel decides.
   */
  readonly interpreters?: readonly BytePath[]
  /** The entries of `deny`: exclusions from every list, whose refusals are no violations. */
  readonly denied?: RuleList
  /** Resources that can be acquired by name. Of two with the same name, the later one counts. */
  readonly resources?: readonly Resource[]
  /**
   * All paths that entries of the whole manifest name. Neither these nor anything above them may be turned into a
   * symbolic link: entries are resolved when a run starts, so the next run would grant the link's target.
   */
  readonly anchors?: readonly BytePath[]
  /** The links on the way to what any exclusion of the whole manifest names. They must stay: see `anchors`. */
  readonly ways?: readonly BytePath[]
  /** Directories that hold no symbolic link: reports, which others copy and upload with what links lead to. */
  readonly linkless?: readonly BytePath[]
  /**
   * An upper bound: nothing beyond it is allowed, whatever the lists grant. It comes from somebody who need not trust
   * the author of the lists.
   */
  readonly ceiling?: Pick<PolicyData, 'lists' | 'sockets' | 'denied'>
  /** The terminal that the process was started on. The process may change its settings: tcsetattr(3). */
  readonly terminal?: BytePath
  /** TCP ports of the process that runs the tests: its API and its module server. No entry covers them. */
  readonly runnerPorts?: readonly number[]
}
