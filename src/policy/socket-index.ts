import type { SocketAccess } from './access.js'
import { isCanonical } from './canonical.js'
import { parseIp, inNetwork } from './ip.js'
import { buildPathIndex, find, type PathIndex } from './path-index.js'
import type { DenialReason, SocketRequest } from './request.js'
import { beats, type PathRule, type RuleList } from './rules.js'
import { withoutFill, type HostMatch, type InetTarget, type SocketRule } from './sockets.js'

type InetRule = SocketRule & { readonly target: InetTarget }

/** The socket rules of one kind of access, by family. */
interface AccessIndex {
  readonly inet: readonly InetRule[]
  readonly unix: PathIndex
  readonly unixRules: ReadonlyMap<PathRule, SocketRule>
  readonly abstract: ReadonlyMap<string, SocketRule>
}

export type SocketIndex = { readonly [access in SocketAccess]: AccessIndex } & {
  readonly runnerPorts: ReadonlySet<number>
}

export type SocketJudgement =
  | { readonly allowed: true; readonly rule: SocketRule; readonly how: 'rule' }
  | { readonly allowed: false; readonly reason: DenialReason }

/** `denied`: the entries of `deny`, which hold for the paths of unix sockets as well. */
export function buildSocketIndex(
  rules: readonly SocketRule[],
  runnerPorts: readonly number[] = [],
  denied: RuleList = [],
): SocketIndex {
  const indexOf = (access: SocketRule['access']) =>
    indexAccess(
      rules.filter((rule) => rule.access === access),
      denied,
    )
  return { connect: indexOf('connect'), listen: indexOf('listen'), runnerPorts: new Set(runnerPorts) }
}

export function judgeSocket(index: SocketIndex, { access, address }: SocketRequest): SocketJudgement {
  const { inet, unix, unixRules, abstract } = index[access]
  let rule: SocketRule | undefined
  switch (address.family) {
    case 'inet':
      // Whoever listens there in its place gets what a browser sends to it.
      if (address.protocol === 'tcp' && index.runnerPorts.has(address.port))
        return { allowed: false, reason: { why: 'port-of-runner' } }
      rule = inet.find(({ target }) => inetCovers(target, address))
      break
    case 'abstract':
      rule = abstract.get(address.name) ?? abstract.get(withoutFill(address.name))
      break
    case 'unix': {
      if (!isCanonical(address.path)) return { allowed: false, reason: { why: 'not-canonical' } }
      const { covering } = find(unix, address.path)
      const granting = covering.filter((entry) => unixRules.has(entry.rule))
      const kept = granting.find((grant) => !covering.some((other) => beats(other.rule, grant.rule)))
      const denying = kept === undefined && granting.length > 0 ? covering.at(-1) : undefined
      if (denying !== undefined) return { allowed: false, reason: { why: 'excluded', exclusion: denying.rule.source } }
      rule = kept && unixRules.get(kept.rule)
      break
    }
  }
  return rule ? { allowed: true, rule, how: 'rule' } : { allowed: false, reason: { why: 'no-grant' } }
}

/** True if one rule alone covers a request. */
export function socketCovers(rule: SocketRule, request: SocketRequest): boolean {
  return judgeSocket(buildSocketIndex([rule]), request).allowed
}

function indexAccess(rules: readonly SocketRule[], denied: RuleList): AccessIndex {
  const unixRules = new Map(rules.flatMap((rule) => unixPathRule(rule).map((path) => [path, rule] as const)))
  return {
    inet: rules.filter((rule): rule is InetRule => rule.target.family === 'inet'),
    unix: buildPathIndex(unixRules.size === 0 ? [] : [[...unixRules.keys(), ...denied]]),
    unixRules,
    abstract: new Map(rules.flatMap((rule) => (rule.target.family === 'abstract' ? [[rule.target.name, rule]] : []))),
  }
}

/** A unix socket's path is matched as a path that may be written, in an index like that of paths. */
function unixPathRule({ target, source, at }: SocketRule): PathRule[] {
  if (target.family !== 'unix') return []
  const { shape, root, pattern, aliases } = target
  const where = pattern === undefined ? { shape, root, aliases } : { shape, root, aliases, pattern }
  return [{ ...where, effect: 'grant', access: 'write', source, at }]
}

function inetCovers(target: InetTarget, address: { protocol: string; host: string; port: number }): boolean {
  const { protocol, ports, host } = target
  return (
    protocol === address.protocol &&
    ports.from <= address.port &&
    address.port <= ports.to &&
    hostCovers(host, address.host)
  )
}

function hostCovers(match: HostMatch, host: string): boolean {
  const ip = parseIp(host)
  if (ip === undefined) return false
  switch (match.kind) {
    case 'any':
      return true
    case 'networks':
      return match.networks.some((network) => inNetwork(ip, network))
    case 'name':
      return match.addresses.some((address) => inNetwork(ip, { address, prefix: 128 }))
  }
}
