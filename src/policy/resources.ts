/**
 * Named resources after binding. A resource's name in the manifest grants only what `acquire` gives: each resource is
 * decided by a policy of its own, which decides no other request.
 */
import type { ManifestProblem } from '../errors.js'
import type { BindContext, Bound } from './bind-paths.js'
import { bindPath } from './bind-paths.js'
import { bindSocket } from './bind-sockets.js'
import type { SocketAddress } from './request.js'
import { isLocalhost, type ParsedResource } from './resource-entries.js'
import type { ResourceKind } from './resource-names.js'
import type { PathRule, PolicyData, RuleList } from './rules.js'
import type { SocketGrant } from './socket-grants.js'
import type { SocketRule } from './sockets.js'

/** A bound resource. Plain data: it is sent to the broker's thread as it is. */
export interface Resource {
  readonly name: string
  /** The place where it was written: `manifest.resources.db`. */
  readonly at: string
  readonly use: ResourceUse
}

export type ResourceUse =
  | {
      readonly how: 'open'
      readonly access: 'read' | 'write'
      readonly rule: PathRule
      readonly create: boolean
      readonly truncate: boolean
      readonly append: boolean
    }
  /** A name may have several addresses. They are tried in this order. */
  | { readonly how: 'connect'; readonly rule: SocketRule; readonly addresses: readonly SocketAddress[] }
  | {
      readonly how: 'listen'
      readonly rule: SocketRule
      readonly address: SocketAddress
      readonly backlog: number
      readonly share: 'worker' | 'run'
    }
  | { readonly how: 'pair'; readonly pair: string }

export type ListenUse = Extract<ResourceUse, { how: 'listen' }>

export function kindOfUse(use: ResourceUse): ResourceKind {
  switch (use.how) {
    case 'open':
      return use.rule.shape === 'tree' ? 'directory' : 'file'
    case 'connect':
      return isDatagram(use.rule) ? 'datagram' : 'socket'
    case 'listen':
      return isDatagram(use.rule) ? 'datagram' : 'server'
    case 'pair':
      return 'socket'
    default:
      return use satisfies never
  }
}

/** The policy that decides a resource: its own entry and nothing else. */
export function ownPolicy(use: ResourceUse): PolicyData {
  switch (use.how) {
    case 'open':
      return { mode: 'enforce', lists: [[use.rule]], sockets: [] }
    case 'connect':
    case 'listen':
      return { mode: 'enforce', lists: [], sockets: [use.rule] }
    case 'pair':
      return { mode: 'enforce', lists: [], sockets: [] }
    default:
      return use satisfies never
  }
}

/** The lists of what tests may use once they have acquired it: files, and directories with all that is in them. */
export function listsOf(resources: readonly Resource[]): readonly RuleList[] {
  return resources.flatMap(({ use }) => ownPolicy(use).lists)
}

function isDatagram({ target }: SocketRule): boolean {
  return target.family === 'inet' && target.protocol === 'udp'
}

/** Looks up the target of a resource. `at` is its place in the config. */
export function bindResource({ name, use }: ParsedResource, context: BindContext, at: string): Bound<Resource> {
  switch (use.how) {
    case 'open': {
      const { grant, ...rest } = use
      const {
        rules: [rule],
        problems,
      } = bindPath(grant, use.access, context, `${at}.${use.access}`)
      return rule === undefined ? failed(problems) : bound({ name, at, use: { ...rest, rule } })
    }
    case 'connect': {
      const {
        rules: [rule],
        problems,
      } = bindSocket(use.grant, 'connect', context, `${at}.connect`)
      return rule === undefined
        ? failed(problems)
        : bound({ name, at, use: { how: 'connect', rule, addresses: addressesOf(use.grant, rule) } })
    }
    case 'listen': {
      const {
        rules: [rule],
        problems,
      } = bindSocket(use.grant, 'listen', context, `${at}.listen`)
      const [address] = rule === undefined ? [] : addressesOf(use.grant, rule)
      if (rule === undefined || address === undefined) return failed(problems)
      return bound({ name, at, use: { how: 'listen', rule, address, backlog: use.backlog, share: use.share } })
    }
    case 'pair':
      return bound({ name, at, use })
    default:
      return use satisfies never
  }
}

function bound(resource: Resource): Bound<Resource> {
  return { rules: [resource], problems: [] }
}

function failed(problems: readonly ManifestProblem[]): Bound<Resource> {
  return { rules: [], problems }
}

/**
 * The addresses of an entry for one address. A name that does not resolve now has none, and connecting reports that.
 */
function addressesOf({ source }: SocketGrant, { target }: SocketRule): readonly SocketAddress[] {
  if (target.family === 'unix') return [{ family: 'unix', path: target.root }]
  if (target.family === 'abstract') return [target]
  const {
    protocol,
    host,
    ports: { from: port },
  } = target
  const hosts = isLocalhost(source)
    ? ['127.0.0.1', '::1']
    : host.kind === 'networks'
      ? host.networks.map(({ address }) => address)
      : host.kind === 'name'
        ? host.addresses
        : []
  return hosts.map((one) => ({ family: 'inet', protocol, host: one, port }))
}
