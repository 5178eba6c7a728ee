/** What comes with an exec grant: the interpreter that a `#!` line or an ELF header names. execve(2), "Interpreter scripts". */
import { closeSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs'
import { posix } from 'node:path'
import { codeOf } from '../errors.js'
import { compilePolicy, decide, type Policy } from '../policy/policy.js'
import { bytePath, showPath, type BytePath } from '../policy/request.js'
import type { PathRule, RuleList } from '../policy/rules.js'

export interface Programs {
  /** Paths that need Landlock's execute right: programs, scripts, interpreters; directories for grants of whole trees. */
  readonly executable: readonly string[]
  /** Grants that follow from others: what `#!/usr/bin/env name` starts in turn. */
  readonly implied: RuleList
}

/** BINPRM_BUF_SIZE is 256; program headers may lie a little further. */
const HEAD = 4096
const PT_INTERP = 3
const MAX_DEPTH = 5
/** File systems of the kernel's own: no programs, and no end. */
const KERNEL: ReadonlySet<string> = new Set(['/proc', '/sys'])

export function programsOf(lists: readonly RuleList[], searchPath: readonly string[]): Programs {
  const policy = compilePolicy({ mode: 'enforce', lists, sockets: [] })
  const rules = lists.flat().filter(({ access }) => access === 'execute')
  const hasExclusions = rules.some(({ effect }) => effect === 'exclude')
  const grants = rules
    .filter(({ effect }) => effect === 'grant')
    .flatMap((grant) =>
      grant.shape === 'file' || (grant.shape === 'tree' && !hasExclusions)
        ? [{ grant, path: utf8(grant.root) }]
        : filesBelow(utf8(grant.root), policy).map((path) => ({ grant, path })),
    )
  const found = grants.map(({ grant, path }) => ({ grant, path, follows: follow(path, searchPath, 0) }))
  return {
    executable: [...new Set(found.flatMap(({ path, follows }) => [path, ...follows.map((followed) => followed.path)]))],
    implied: found.flatMap(({ grant, follows }) =>
      follows.filter(({ how }) => how === 'env').map(({ path }) => impliedRule(grant, path)),
    ),
  }
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
    return entry.isFile() && decide(policy, { kind: 'path', access: 'execute', path: bytePath(path) }).allowed
      ? [path]
      : []
  })
}

function utf8(path: BytePath): string {
  return Buffer.from(path, 'latin1').toString('utf8')
}

/** The interpreter of a program on its own: for Node, whose path no entry names. */
export function interpretersOf(program: string): readonly string[] {
  return follow(program, [], 0).map(({ path }) => path)
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

function follow(program: string, searchPath: readonly string[], depth: number): Followed[] {
  const head = readHead(program)
  if (head === undefined || depth > MAX_DEPTH) return []
  if (head.toString('latin1', 0, 2) === '#!') {
    const [interpreter = '', argument = ''] = head.toString('utf8', 2).split('\n', 1)[0]?.trim().split(/\s+/, 2) ?? []
    if (!interpreter.startsWith('/')) return []
    const direct = real(interpreter)
    const byEnv = posix.basename(interpreter) === 'env' ? find(argument, searchPath) : undefined
    return [
      ...(direct === undefined
        ? []
        : [{ path: direct, how: 'kernel' as const }, ...follow(direct, searchPath, depth + 1)]),
      ...(byEnv === undefined ? [] : [{ path: byEnv, how: 'env' as const }, ...follow(byEnv, searchPath, depth + 1)]),
    ]
  }
  const loader = elfInterpreter(head)
  const path = loader === undefined ? undefined : real(loader)
  return path === undefined ? [] : [{ path, how: 'kernel' }]
}

/** elf(5): the PT_INTERP segment of a 64-bit little-endian file. */
function elfInterpreter(head: Buffer): string | undefined {
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return undefined
  const table = Number(head.readBigUInt64LE(32))
  const size = head.readUInt16LE(54)
  for (let index = 0; index < head.readUInt16LE(56); index++) {
    const at = table + index * size
    if (at + 56 > head.length) return undefined
    if (head.readUInt32LE(at) !== PT_INTERP) continue
    const from = Number(head.readBigUInt64LE(at + 8))
    const length = Number(head.readBigUInt64LE(at + 32))
    return head.toString('utf8', from, from + length - 1)
  }
  return undefined
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
