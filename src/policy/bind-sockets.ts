import { aliasesOf, failedAt, locate, type BindContext, type Bound } from './bind-paths.js'
import type { SocketGrant } from './socket-grants.js'
import type { HostMatch, SocketRule } from './sockets.js'

export function bindSocket(
  { target, source, why }: SocketGrant,
  access: SocketRule['access'],
  context: BindContext,
  at: string,
): Bound<SocketRule> {
  const rule = { access, source, at, ...(why === undefined ? {} : { why }) }
  if (target.family === 'abstract') return { rules: [{ ...rule, target }], problems: [] }
  if (target.family === 'inet') {
    return { rules: [{ ...rule, target: { ...target, host: withAddresses(target.host, context) } }], problems: [] }
  }
  const located = locate(target.path, context, 'socket')
  if ('found' in located) return failedAt(at, located)
  const { root, pattern } = located
  const shape = pattern === undefined ? 'file' : 'glob'
  const where = { family: 'unix' as const, shape, root, aliases: aliasesOf(located) } as const
  return { rules: [{ ...rule, target: pattern === undefined ? where : { ...where, pattern } }], problems: [] }
}

function withAddresses(host: HostMatch, { addresses }: BindContext): HostMatch {
  return host.kind === 'name' ? { ...host, addresses: addresses?.get(host.name) ?? [] } : host
}
