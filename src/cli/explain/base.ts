/** Describes the grants that exist without an entry, grouped by their reason. Pure. */
import { showName } from '../../policy/message.js'
import type { PolicyData } from '../../policy/policy.js'
import { showPath } from '../../policy/request.js'
import type { PathRule } from '../../policy/rules.js'
import type { HostMatch, SocketRule } from '../../policy/sockets.js'

export function describeBase({ lists, sockets }: PolicyData): string {
  const byReason = new Map<string, Set<string>>()
  const add = (reason: string | undefined, line: string): void => {
    if (reason !== undefined) byReason.set(reason, (byReason.get(reason) ?? new Set()).add(line))
  }
  for (const rule of lists.flat()) add(rule.reason, pathLine(rule))
  for (const rule of sockets) add(rule.reason, socketLine(rule))
  const groups = [...byReason].map(
    ([reason, places]) => `${reason}\n${[...places].map((line) => `  ${line}\n`).join('')}`,
  )
  return `Always granted, for reading where nothing else is said. By reason:\n\n${groups.join('\n')}`
}

const suffix: { readonly [access in PathRule['access']]: string } = {
  look: '  (may be looked at, not read)',
  list: '  (its names may be listed)',
  read: '',
  content: '  (its content may be changed)',
  write: '  (may be written)',
  execute: '  (may be run)',
}

function pathLine({ effect, shape, root, pattern, access }: PathRule): string {
  const place =
    pattern !== undefined ? showName(pattern) : `${showPath(root)}${shape === 'tree' && root !== '/' ? '/' : ''}`
  return effect === 'exclude' ? `but not ${place}` : place + suffix[access]
}

function socketLine({ access, target, source }: SocketRule): string {
  const verb = access === 'connect' ? 'connect to' : 'listen on'
  if (target.family !== 'inet') return `${verb} ${showName(source)}`
  return `${verb} ${target.protocol}:${hostText(target.host)}:${target.ports.from}`
}

function hostText(host: HostMatch): string {
  switch (host.kind) {
    case 'any':
      return '*'
    case 'name':
      return host.name
    case 'networks':
      return host.networks.map(({ address }) => address).join(', ')
    default:
      return host satisfies never
  }
}
