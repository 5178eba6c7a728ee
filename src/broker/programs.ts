/** The programs that come with an exec grant: the interpreter that a `#!` line or an ELF header names. execve(2), "Interpreter scripts". */
import { closeSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs'
import { posix } from 'node:path'
import { codeOf } from '../errors.js'
import { compilePolicy, decide, type Policy } from '../policy/policy.js'
import { bytePath, rawPath, showPath, type BytePath } from '../policy/request.js'
import type { PathRule, RuleList } from '../policy/rules.js'
import { HEAD, interpreterIn } from '../syscalls/interpreter.js'

export interface Programs {
  /** Paths that need Landlock's execute right: programs, scripts, interpreters; directories for grants of whole trees. */
  readonly executable: readonly string[]
  /** Of these, what the kernel starts in the place of others, and what no entry names: interpreters and loaders. */
  readonly interpreters: readonly BytePath[]
  /** Grants that follow from others: what `#!/usr/bin/env name` starts in turn. */
  readonly implied: RuleList
}

const MAX_DEPTH = 5
/** File systems of the kernel's own: no programs, and no end. */
const KERNEL: ReadonlySet<string> = new Set(['/proc', '/sys'])

export function programsOf(lists: readonly RuleList[], searchPath: readonly string[]): Programs {
  const policy = compilePolicy({ mode: 'enforce', lists, sockets: [] })
  const rules = lists.flat().filter(({ access }) => access === 'execute')
  const hasExclusions = rules.some(({ effect }) => effect === 'exclude')
  const follower = new Follower(searchPath)
  const found = rules
    .filter(({ effect }) => effect === 'grant')
    .flatMap((grant) => {
      const path = utf8(grant.root)
      if (grant.shape === 'file') return [{ grant, path, follows: follower.follow(path) }]
      const below = filesBelow(path, policy).map((file) => ({
        grant,
        path: file,
        follows: follower.follow(file),
      }))
      if (grant.shape !== 'tree' || hasExclusions) return below
      // The directory brings what is in it, but not what that is started by.
      return [{ grant, path, follows: below.flatMap(({ follows }) => follows) }]
    })
  // What is made in a tree while tests run is started by the loader that starts Node.
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
    implied: distinct(
      found.flatMap(({ grant, follows }) =>
        follows.filter(({ how }) => how === 'env').map(({ path }) => impliedRule(grant, path)),
      ),
    ),
  }
}

/** In a tree, many scripts name the same interpreter. */
function distinct(rules: RuleList): RuleList {
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()]
}

/**
 * The programs below a directory that may be run, as it is now. Landlock knows neither patterns nor exclusions: a right for the
 * directory would be one for everything in it, and the kernel reads the path of execve(2) again after the decision.
 */
function filesBelow(dir: string, policy: Policy): readonly string[] {
  const entries = orNothing(() => readdirSync(dir, { withFileTypes: true })) ?? []
  return entries.flatMap((entry) => {
    const path = posix.join(dir, entry.name)
    if (entry.isDirectory()) return KERNEL.has(path) ? [] : filesBelow(path, policy)
    return entry.isFile() &&
      mayBeProgram(path) &&
      decide(policy, { kind: 'path', access: 'execute', path: bytePath(path) }).allowed
      ? [path]
      : []
  })
}

/** execve(2), EACCES: without any right to execute it, it is none. */
function mayBeProgram(path: string): boolean {
  return ((orNothing(() => statSync(path))?.mode ?? 0) & 0o111) !== 0
}

function utf8(path: BytePath): string {
  return Buffer.from(path, 'latin1').toString('utf8')
}

/** The interpreter of a program on its own: for Node, whose path no entry names. */
export function interpretersOf(program: string): readonly string[] {
  return new Follower([]).follow(program).map(({ path }) => path)
}

/** As the file itself spells it; undefined for a script, and where there is none. */
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
  readonly how: 'kernel' | 'env'
}

/** Finds what programs are started by. In a tree most of them name the same loader, which is looked up once. */
class Follower {
  readonly #known = new Map<string, readonly Followed[]>()

  constructor(readonly searchPath: readonly string[]) {}

  follow(program: string, depth = 0): readonly Followed[] {
    const head = depth > MAX_DEPTH ? undefined : readHead(program)
    const named = head === undefined ? undefined : interpreterIn(head)
    if (named === undefined) return []
    const key = `${named.path} ${named.argument}`
    const known = this.#known.get(key) ?? this.#named(utf8(rawPath(named.path)), utf8(rawPath(named.argument)), depth)
    this.#known.set(key, known)
    return known
  }

  #named(path: string, argument: string, depth: number): readonly Followed[] {
    const direct = real(path)
    const byEnv = posix.basename(path) === 'env' ? find(argument, this.searchPath) : undefined
    return [
      ...(direct === undefined ? [] : [{ path: direct, how: 'kernel' as const }, ...this.follow(direct, depth + 1)]),
      ...(byEnv === undefined ? [] : [{ path: byEnv, how: 'env' as const }, ...this.follow(byEnv, depth + 1)]),
    ]
  }
}

function readHead(path: string): Buffer | undefined {
  return orNothing(() => {
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
    if (path !== undefined) return path
  }
  return undefined
}

/** A program that cannot be read, or an interpreter that is not there, brings nothing; running it fails by itself. */
function orNothing<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (codeOf(error) !== undefined) return undefined
    throw error
  }
}
