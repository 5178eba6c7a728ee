/** Parses the subject of a question: a path, an address or a program. */
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SocketAccess } from '../../policy/access.js'
import type { Looked } from '../../policy/bind.js'
import type { HostUse } from '../../policy/event.js'
import { oneOf, quote } from '../../policy/nearest.js'
import { parsePathGrant } from '../../policy/path-grants.js'
import {
  bytePath,
  type BytePath,
  type PathAccess,
  type PathRequest,
  type SocketAddress,
  type SocketRequest,
} from '../../policy/request.js'
import { parseSocketGrant } from '../../policy/socket-grants.js'
import type { Network } from '../../policy/sockets.js'
import type { Places } from '../../policy/spell.js'
import { UsageError } from '../command.js'

export interface SubjectContext extends Required<Places> {
  readonly cwd: string
  readonly searchPath: readonly string[]
  readonly lookup: (path: BytePath) => Looked
  /** The current addresses of a host name. */
  readonly resolve: (host: string) => Promise<readonly string[]>
}

export type Question =
  | { readonly kind: 'path'; readonly request: PathRequest; readonly asked: BytePath; readonly directory: boolean }
  | {
      readonly kind: 'socket'
      readonly request: SocketRequest
      /** The host name in the question. */
      readonly host?: HostUse
    }
  /** A question about a host name that has no address now. */
  | {
      readonly kind: 'host'
      readonly access: SocketAccess
      readonly protocol: 'tcp' | 'udp'
      readonly name: string
      readonly port: number
    }

const pathAccesses = ['look', 'list', 'read', 'content', 'write', 'move', 'execute'] as const
const socketAccesses = ['connect', 'listen'] as const

/**
 * The questions about a subject: several if a host name has several addresses. Throws a UsageError for a subject that
 * cannot be read.
 */
export async function questionsOf(
  text: string,
  access: string | undefined,
  context: SubjectContext,
): Promise<readonly Question[]> {
  const address = addressIn(text, context)
  if (address !== undefined) return await sockets(address, among(access ?? 'connect', socketAccesses, text), context)
  const found = access === undefined || access === 'execute' ? programNamed(text, context) : undefined
  const path = found ?? pathOf(text.startsWith('file://') ? fileURLToPath(text) : text, context)
  if (found === undefined && isBareName(text) && context.lookup(bytePath(path)).kind === 'missing')
    throw new UsageError(`there is no program ${quote(text)} along PATH, and no file of that name here`)
  return [pathQuestion(path, among(access ?? (found === undefined ? 'read' : 'execute'), pathAccesses, text), context)]
}

/** An address as a manifest has it, a `host:port`, or a URL. */
function addressIn(text: string, { cwd, lookup }: SubjectContext): string | undefined {
  if (/^(?:tcp|udp|unix):/.test(text)) return text
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) && !text.startsWith('file://')
  const isHostAndPort = /^(?:\[[^\]]+\]|[\w.-]+):\d+$/.test(text)
  if (!isUrl && (!isHostAndPort || lookup(bytePath(posix.join(cwd, text))).kind !== 'missing')) return undefined
  const parsed = parseSocketGrant(text, 'connect')
  return parsed.ok ? text : parsed.problem.suggestion
}

/** True for a word that may be the name of a program. */
function isBareName(text: string): boolean {
  return /^[\w-]+$/.test(text)
}

function among<T extends string>(given: string, known: readonly T[], text: string): T {
  const access = known.find((one) => one === given)
  if (access === undefined) throw new UsageError(`--access for ${quote(text)} is ${oneOf(known)}, not ${quote(given)}`)
  return access
}

/** The path of a program. A bare name is a program only if no file of that name lies here. */
function programNamed(text: string, { cwd, searchPath, lookup }: SubjectContext): string | undefined {
  if (text.includes('/') || text === '' || lookup(bytePath(posix.join(cwd, text))).kind !== 'missing') return undefined
  return searchPath.map((dir) => posix.join(dir, text)).find((path) => lookup(bytePath(path)).kind === 'file')
}

function pathOf(text: string, context: SubjectContext): string {
  const parsed = parsePathGrant(text)
  if (!text.startsWith('<')) return posix.resolve(context.cwd, text)
  if (!parsed.ok || parsed.value.anchor === 'file' || parsed.value.anchor === '/')
    throw new UsageError(`a path, an address or a program is needed, not ${quote(text)}`)
  return posix.join(context[parsed.value.anchor], parsed.value.path)
}

function pathQuestion(path: string, access: PathAccess, { lookup }: SubjectContext): Question {
  const asked = bytePath(path.length > 1 ? path.replace(/\/+$/, '') : path)
  const looked = lookup(asked)
  const real = 'real' in looked ? looked.real : asked
  return { kind: 'path', request: { kind: 'path', access, path: real }, asked, directory: looked.kind === 'dir' }
}

async function sockets(text: string, access: SocketAccess, context: SubjectContext): Promise<readonly Question[]> {
  const parsed = parseSocketGrant(text, access)
  const questions = parsed.ok ? await socketQuestions(parsed.value.target, access, context) : []
  if (questions.length === 0)
    throw new UsageError(
      `an address with one host and one port is needed, such as 'tcp:127.0.0.1:5432', or 'unix:/path', not ${quote(text)}`,
    )
  return questions
}

type GrantTarget = Extract<ReturnType<typeof parseSocketGrant>, { ok: true }>['value']['target']

async function socketQuestions(
  target: GrantTarget,
  access: SocketAccess,
  context: SubjectContext,
): Promise<readonly Question[]> {
  const of = (address: SocketAddress): SocketRequest => ({ kind: 'socket', access, address })
  switch (target.family) {
    case 'abstract':
      return [{ kind: 'socket', request: of({ family: 'abstract', name: target.name }) }]
    case 'unix': {
      if (target.path.shape !== 'file') return []
      const looked = pathQuestion(pathOf(target.path.source, context), 'look', context)
      return looked.kind === 'path'
        ? [{ kind: 'socket', request: of({ family: 'unix', path: looked.request.path }) }]
        : []
    }
    case 'inet': {
      const { protocol, host, ports } = target
      const { from: port } = ports
      if (port !== ports.to || host.kind === 'any') return []
      const hosts = host.kind === 'name' ? await context.resolve(host.name) : singleHosts(host.networks)
      if (host.kind === 'name' && hosts.length === 0) return [{ kind: 'host', access, protocol, name: host.name, port }]
      const name = host.kind === 'name' ? host.name : hosts.length > 1 ? 'localhost' : undefined
      const asked = name === undefined ? {} : { host: { name, port, stage: 'found' as const } }
      return hosts.map((one) => ({
        kind: 'socket',
        request: of({ family: 'inet', protocol, host: one, port }),
        ...asked,
      }))
    }
    default:
      return target satisfies never
  }
}

/** The addresses to ask about. `localhost` is two networks, and stands for the two addresses that servers use. */
function singleHosts(networks: readonly Network[]): string[] {
  if (networks.length > 1) return ['127.0.0.1', '::1']
  return networks
    .filter(({ address, prefix }) => prefix === (address.includes(':') ? 128 : 32))
    .map(({ address }) => address)
}
