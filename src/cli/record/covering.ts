/** Checks if entries cover what was recorded. They are bound and asked as in a run. */
import { posix } from 'node:path'
import { bindManifest, type BindContext, type Looked } from '../../policy/bind.js'
import { filesFor } from '../../policy/file-globs.js'
import { wouldRedirectGrant, compilePolicy, decide, type Policy } from '../../policy/policy.js'
import type { BytePath, SocketAddress } from '../../policy/request.js'
import { parseOptions } from '../../policy/schema.js'
import { parseSocketGrant } from '../../policy/socket-grants.js'
import type { RecordedFile, Recording } from '../../vitest/recording.js'
import type { Need } from './needs.js'
import { shared, type Draft } from './share.js'
import type { World } from './world.js'

type InetAddress = Extract<SocketAddress, { family: 'inet' }>

export type Parts = Pick<Recording, 'root' | 'workspace' | 'home' | 'searchPath' | 'testFiles' | 'files'>

export class Covering {
  readonly #policies = new WeakMap<readonly Draft[], Map<string, Policy>>()
  /** The addresses that the recorded host names led to. */
  readonly addresses: ReadonlyMap<string, readonly InetAddress[]>

  constructor(
    readonly recording: Parts,
    readonly world: World,
  ) {
    this.addresses = addressesIn(recording.files)
  }

  covers(drafts: readonly Draft[], file: RecordedFile, need: Need): boolean {
    // The name servers are granted with any host name, for all test files.
    if (need.kind === 'socket' && need.host?.stage === 'asked') return drafts.some(namesHost)
    const policy = this.#policyFor(drafts, file)
    return (
      decide(policy, need.request).allowed &&
      !(need.kind === 'path' && need.link && wouldRedirectGrant(policy, need.path, 'link'))
    )
  }

  /** The same of what a link leads to: an entry by the link's name shows the way. */
  coversReal(drafts: readonly Draft[], file: RecordedFile, need: Need): boolean {
    const real = need.kind === 'path' ? realOf(this.world.lookup(need.path)) : undefined
    if (need.kind !== 'path' || need.link || real === undefined || real === need.path) return false
    return this.covers(drafts, file, { ...need, path: real, request: { ...need.request, path: real } })
  }

  #policyFor(drafts: readonly Draft[], file: RecordedFile): Policy {
    const known = this.#policies.get(drafts) ?? new Map<string, Policy>()
    this.#policies.set(drafts, known)
    const made = known.get(file.file) ?? this.#bind(shared(drafts, this.recording.testFiles), file)
    known.set(file.file, made)
    return made
  }

  #bind({ manifest, files }: ReturnType<typeof shared>, file: RecordedFile): Policy {
    const options = parseOptions({ manifest, files })
    const bound = [options.manifest, ...filesFor(options, file.file).map((one) => one.manifest)].map((one) =>
      bindManifest(one, this.#contextOf(file)),
    )
    return compilePolicy({
      mode: 'enforce',
      lists: bound.flatMap(({ lists }) => lists),
      sockets: bound.flatMap(({ sockets }) => sockets),
      denied: bound.flatMap(({ denied }) => denied),
    })
  }

  #contextOf({ tmp, file }: Pick<RecordedFile, 'tmp' | 'file'>): BindContext {
    const { root, workspace, home, searchPath } = this.recording
    return {
      root,
      workspace,
      home,
      searchPath,
      tmp,
      file: posix.join(root, posix.dirname(file)),
      lookup: this.world.lookup,
      addresses: new Map([...this.addresses].map(([name, led]) => [name, led.map(({ host }) => host)])),
    }
  }

  /** True if an entry can be bound. One that leads nowhere by now, such as a dangling link, would stop the next run. */
  binds({ list, entry }: Pick<Draft, 'list' | 'entry'>): boolean {
    const { manifest } = parseOptions({ manifest: { [list]: [entry] } })
    return bindManifest(manifest, this.#contextOf({ tmp: '/tmp', file: 'a' })).problems.length === 0
  }
}

function addressesIn(files: Parts['files']): ReadonlyMap<string, readonly InetAddress[]> {
  const found = new Map<string, InetAddress[]>()
  for (const { request, host } of files.flatMap(({ accesses }) => accesses))
    if (host?.stage === 'found' && request.kind === 'socket' && request.address.family === 'inet') {
      const name = host.name.toLowerCase()
      found.set(name, [...(found.get(name) ?? []), request.address])
    }
  return found
}

function realOf(looked: Looked): BytePath | undefined {
  return 'real' in looked ? looked.real : undefined
}

function namesHost({ list, entry }: Draft): boolean {
  const parsed = list === 'connect' ? parseSocketGrant(entry, list) : undefined
  const target = parsed?.ok === true ? parsed.value.target : undefined
  return target?.family === 'inet' && target.host.kind === 'name'
}
