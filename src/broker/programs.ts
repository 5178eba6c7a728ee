/**
 * The programs that an exec grant implies: the interpreter that a `#!` line or an ELF header names. execve(2),
 * "Interpreter scripts".
 */
import { closeSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs'
import { posix } from 'node:path'
import { codeOf } from '../errors.js'
import { textOf } from '../policy/canonical.js'
import { mayBeWithin } from '../policy/fold.js'
import { SECRETS_GLOB } from '../policy/path-grants.js'
import { compilePolicy, decide, type Policy } from '../policy/policy.js'
import { bytePath, rawPath, showPath, type BytePath } from '../policy/request.js'
import type { PathRule, RuleList } from '../policy/rules.js'
import { HEAD, interpreterIn } from '../syscalls/interpreter.js'

export interface Programs {
  /**
   * Paths that need Landlock's execute right: programs, scripts, interpreters; directories for grants of whole trees.
   */
  readonly executable: readonly string[]
  /**
   * The interpreters and loaders among them: the kernel starts them in place of another program, and no entry names
   * them.
   */
  readonly interpreters: readonly BytePath[]
  /** The interpreters and loaders once more, as programs name them. */
  readonly named: readonly string[]
  /** Grants that follow from others: the program that `#!/usr/bin/env name` starts in turn. */
  readonly implied: RuleList
}

const MAX_DEPTH = 5
/** The kernel's own file systems: they hold no programs, and have no end. */
const KERNEL: ReadonlySet<string> = new Set(['/proc', '/sys'])

/** `denied`: the entries of `deny`. */
export function programsOf(lists: readonly RuleList[], searchPath: readonly string[], denied: RuleList = []): Programs {
  const rules = lists.flat().filter(({ access }) => access === 'execute')
  const excluded = denied.filter((rule) => rules.some((grant) => mayConcern(rule, grant)))
  const policy = compilePolicy({ mode: 'enforce', lists, sockets: [], denied: excluded })
  const hasExclusions = excluded.length > 0 || rules.some(({ effect }) => effect === 'exclude')
  const follower = new Follower(searchPath)
  const found = rules
    .filter(({ effect }) => effect === 'grant')
    .flatMap((grant) => {
      const path = textOf(grant.root)
      if (grant.shape === 'file')
        return mayRun(policy, grant.root) ? [{ grant, path, follows: follower.follow(path) }] : []
      // A temporary directory is new: what a file there names as its interpreter is no word of the config's.
      const files = isOfTmp(grant) ? [] : filesBelow(path, policy)
      const below = files.map((file) => ({
        grant,
        path: file,
        follows: follower.follow(file),
      }))
      if (grant.shape !== 'tree' || hasExclusions) return below
      // The directory covers the files in it, but not the interpreters that start them.
      return [{ grant, path, follows: below.flatMap(({ follows }) => follows) }]
    })
  // The loader that starts Node also starts programs that are made in a tree while tests run.
  const usual =
    !hasExclusions && found.some(({ grant }) => grant.shape === 'tree') ? interpretersOf(process.execPath) : []
  const byKernel = found.flatMap(({ follows }) => follows.filter(({ how }) => how === 'kernel').map(({ path }) => path))
  return {
    executable: [
      ...new Set([
        ...found.flatMap(({ path, follows }) => [path, ...follows.map((followed) => followed.path)]),
        ...usual,
      ]),
    ],
    interpreters: [...new Set([...byKernel, ...usual])].map(bytePath),
    named: [...new Set(found.flatMap(({ follows }) => follows.flatMap(({ named = [] }) => named)))],
    implied: distinct(
      found.flatMap(({ grant, follows }) =>
        follows.filter(({ how }) => how === 'env').map(({ path }) => impliedRule(grant, path)),
      ),
    ),
  }
}

/** True for a rule about the programs in a worker's own temporary directory. */
export function isOfTmp({ access, source }: PathRule): boolean {
  return access === 'execute' && /^!?<tmp>/.test(source)
}

/** True if an entry of `deny` may name a program that the grant covers. The known names of secrets are no programs'. */
function mayConcern(denied: PathRule, { root }: PathRule): boolean {
  if (denied.pattern?.endsWith(`/${SECRETS_GLOB}`) === true) return false
  return mayBeWithin(denied.root, root) || mayBeWithin(root, denied.root)
}

function mayRun(policy: Policy, path: BytePath): boolean {
  return decide(policy, { kind: 'path', access: 'execute', path }).allowed
}

/** Drops duplicates: in a tree, many scripts name the same interpreter. */
function distinct(rules: RuleList): RuleList {
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()]
}

/**
 * The allowed programs below a directory, at this moment. Landlock knows neither patterns nor exclusions: a right for
 * the directory would cover everything in it, and the kernel reads the path of execve(2) again after the decision.
 */
function filesBelow(dir: string, policy: Policy): readonly string[] {
  const entries = orNothing(() => readdirSync(dir, { withFileTypes: true })) ?? []
  return entries.flatMap((entry) => {
    const path = posix.join(dir, entry.name)
    if (entry.isDirectory()) return KERNEL.has(path) ? [] : filesBelow(path, policy)
    return entry.isFile() && mayBeProgram(path) && mayRun(policy, bytePath(path)) ? [path] : []
  })
}

/** False for a file without any execute bit, which is no program: execve(2), EACCES. */
function mayBeProgram(path: string): boolean {
  return ((orNothing(() => statSync(path))?.mode ?? 0) & 0o111) !== 0
}

/** The interpreters of a single program: for Node, whose path no entry names. */
export function interpretersOf(program: string): readonly string[] {
  return new Follower([]).follow(program).map(({ path }) => path)
}

/** The loader, as the program's file spells it; undefined for a script, and if it names none. */
export function loaderNamedBy(program: string): string | undefined {
  const head = readHead(program)
  return head === undefined ? undefined : interpreterIn(head)?.path
}

function impliedRule(grant: PathRule, path: string): PathRule {
  return {
    effect: 'grant',
    access: 'execute',
    shape: 'file',
    root: bytePath(path),
    aliases: [],
    source: grant.source,
    at: grant.at,
    reason: `what ${showPath(grant.root)} names after #!`,
  }
}

interface Followed {
  readonly path: string
  /** As the program names it, where the kernel goes by that. */
  readonly named?: string
  readonly how: 'kernel' | 'env'
}

/**
 * Finds the interpreters that start programs. In a tree most programs name the same loader, which is looked up once.
 */
class Follower {
  readonly #known = new Map<string, readonly Followed[]>()

  constructor(readonly searchPath: readonly string[]) {}

  follow(program: string, depth = 0): readonly Followed[] {
    const head = depth > MAX_DEPTH ? undefined : readHead(program)
    const named = head === undefined ? undefined : interpreterIn(head)
    if (named === undefined) return []
    const key = `${named.path} ${named.argument}`
    const known =
      this.#known.get(key) ?? this.#named(textOf(rawPath(named.path)), textOf(rawPath(named.argument)), depth)
    this.#known.set(key, known)
    return known
  }

  #named(path: string, argument: string, depth: number): readonly Followed[] {
    const direct = real(path)
    const byEnv = posix.basename(path) === 'env' ? find(argument, this.searchPath) : undefined
    return [
      ...(direct === undefined
        ? []
        : [{ path: direct, named: path, how: 'kernel' as const }, ...this.follow(direct, depth + 1)]),
      ...(byEnv === undefined ? [] : [{ path: byEnv, how: 'env' as const }, ...this.follow(byEnv, depth + 1)]),
    ]
  }
}

function readHead(path: string): Buffer | undefined {
  return orNothing(() => {
    // A FIFO would wait for its other end, and some devices do something when they are opened.
    if (!statSync(path).isFile()) return undefined
    const fd = openSync(path, 'r')
    const buffer = Buffer.alloc(HEAD)
    const length = readSync(fd, buffer, 0, HEAD, 0)
    closeSync(fd)
    return buffer.subarray(0, length)
  })
}

function real(path: string): string | undefined {
  return orNothing(() => realpathSync(path))
}

function find(name: string, searchPath: readonly string[]): string | undefined {
  if (name === '' || name.includes('/')) return undefined
  for (const dir of searchPath) {
    const path = real(posix.join(dir, name))
    if (path !== undefined && mayBeProgram(path)) return path
  }
  return undefined
}

/**
 * Returns undefined for an unreadable program or a missing interpreter: it implies nothing, and running it fails by
 * itself.
 */
function orNothing<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (codeOf(error) !== undefined) return undefined
    throw error
  }
}
