/** Answers `acquire`: hands over the resource of that name, or refuses if the test file has none. */
import { errnoName } from '../abi/errno.js'
import { nearest, oneOf, quote } from '../policy/nearest.js'
import { kindOfUse, type ListenUse, type Resource, type ResourceUse } from '../policy/policy.js'
import { rawPath, showPath, type AccessRequest } from '../policy/request.js'
import { acquiredFrame, ErrorCode, readAcquire, type Frame } from '../protocol.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { failed, type Outcome } from '../syscalls/outcome.js'
import type { Descriptor } from '../syscalls/ports.js'
import type { FrameAnswer } from './channel.js'
import type { PairRequest } from './ledger.js'
import { Opening, type Given, type Opened, type OpeningParts } from './opening.js'
import type { PendingSharing, Sharing } from './sharing.js'

interface AcquirerParts extends OpeningParts {
  readonly sharing: Sharing
  /** Called when the worker asks for a name that nothing grants. */
  refused(name: string, near: string | undefined): void
  /** Called just before a resource is handed over. */
  acquired(resource: Resource, request: AccessRequest | PairRequest): void
}

export class Acquirer {
  #resources: ReadonlyMap<string, Resource> = new Map()
  /** The listeners of this worker, keyed by their entries. They stay open as long as the worker lives. */
  readonly #listening = new Map<string, Given>()

  /** Sockets that the host has left here for this worker, by name. */
  readonly #left = new Map<string, OwnedFd>()

  readonly #opening: Opening

  constructor(readonly parts: AcquirerParts) {
    this.#opening = new Opening(parts)
  }

  set(resources: readonly Resource[]): void {
    this.#resources = new Map(resources.map((resource) => [resource.name, resource]))
  }

  /** Leaves a socket for the worker. The last one left under a name wins. */
  leave(name: string, fd: OwnedFd): void {
    this.#left.get(name)?.close()
    this.#left.set(name, fd)
  }

  close(): void {
    for (const fd of this.#left.values()) fd.close()
    this.#left.clear()
    for (const { fd } of this.#listening.values()) fd.close()
    this.#listening.clear()
  }

  answer(frame: Frame): FrameAnswer {
    const name = readAcquire(frame)
    if (name === undefined)
      return refusal(
        ErrorCode.malformed,
        'the name of a resource begins with a letter and has at most 64 letters, digits, _, - and .',
      )
    const left = this.#left.get(name)
    if (left !== undefined) {
      this.#left.delete(name)
      return { kind: 'ready', packet: acquiredFrame(frame.id, { name, kind: 'socket' }), fd: left }
    }
    return this.#begin(frame.id, name)
  }

  #begin(id: number, name: string): FrameAnswer {
    const resource = this.#resources.get(name)
    return resource === undefined ? this.#ungranted(name) : this.#finish(id, resource, this.#open(resource))
  }

  #ungranted(name: string): FrameAnswer {
    const names = [...this.#resources.keys()]
    const near = nearest(name, names)
    this.parts.refused(name, near)
    const known = names.length === 0 ? 'it has none' : `it has ${oneOf(names.slice(0, 20)).replace(/ or /, ' and ')}`
    const hint = near === undefined ? known : `did you mean ${quote(near)}?`
    return refusal(ErrorCode.ungranted, `this test file has no resource ${quote(name)}: ${hint}`)
  }

  #finish(id: number, resource: Resource, opened: Opened): FrameAnswer {
    if (failed(opened)) {
      const text = `the resource ${quote(resource.name)} (${describe(resource.use)}) could not be opened: ${errnoName(opened.errno)}`
      return { kind: 'refused', refused: { code: ErrorCode.unavailable, errno: opened.errno, text } }
    }
    if ('again' in opened) {
      const { again, cancel } = opened
      return {
        kind: 'later',
        cancel,
        again: () => {
          if (this.#resources.get(resource.name) === resource) return this.#finish(id, resource, again())
          // Another test file runs by now, and what it has counts.
          cancel()
          return this.#begin(id, resource.name)
        },
      }
    }
    const { fd, acquired, request, keep = false } = opened
    this.parts.acquired(resource, request)
    const packet = acquiredFrame(id, { name: resource.name, kind: kindOfUse(resource.use), ...acquired })
    return { kind: 'ready', packet, fd, keep }
  }

  #open({ name, use }: Resource): Opened {
    switch (use.how) {
      case 'open':
        return this.#opening.file(use)
      case 'connect':
        return this.#opening.connect(use)
      case 'listen':
        return use.share === 'run' ? this.#shared(use) : this.#ownListener(use)
      case 'pair':
        return this.#pair(name, use.pair)
      default:
        return use satisfies never
    }
  }

  #ownListener(use: ListenUse): Opened {
    const key = JSON.stringify(use)
    const known = this.#listening.get(key)
    if (known !== undefined) return known
    return whenMade(this.#opening.listen(use), (made) => {
      if (!failed(made)) this.#listening.set(key, made)
      return made
    })
  }

  /** A listener that all workers of the run share. The first worker that asks for it makes it. */
  #shared(use: ListenUse): Opened {
    const { sharing } = this.parts
    const key = `listen ${JSON.stringify(use)}`
    const asked = sharing.ask(key, '')
    return this.#whenShared(asked, (got) => {
      if (got !== 'make') return this.#opening.claimed(use, got, asked.file())
      const path = use.address.family === 'unix' ? { path: use.address.path } : {}
      return whenMade(
        this.#opening.listen(use),
        (made) => {
          if (failed(made)) asked.made(undefined)
          else asked.made(made.fd, { ...path, ...(made.file === undefined ? {} : { file: made.file }) })
          return made
        },
        () => asked.made(undefined),
      )
    })
  }

  // --- pairs

  /** Matches the n-th acquisition of one end with the n-th acquisition of the other. */
  #pair(name: string, pair: string): Opened {
    const {
      sharing,
      kernel: { sockets },
    } = this.parts
    const request: PairRequest = { kind: 'pair', access: 'pair', name: pair }
    const asked = sharing.ask(`pair ${pair}`, name)
    return this.#whenShared(asked, (got) => {
      if (got !== 'make') {
        if (!sockets.isOver(got)) return { fd: got, request, acquired: {} }
        // The holder of the other end is gone, and left nothing to read.
        got.close()
        return this.#pair(name, pair)
      }
      const made = sockets.pair()
      asked.made(failed(made) ? undefined : made[1])
      return failed(made) ? made : { fd: made[0], request, acquired: {} }
    })
  }

  #whenShared(asked: PendingSharing, then: (got: Descriptor | 'make') => Opened): Opened {
    const waiting: Opened = {
      cancel: () => asked.cancel(),
      again: () => {
        const got = asked.result()
        return got === undefined ? waiting : then(got)
      },
    }
    return waiting
  }
}

/** Goes on with what was made, now or later. `cancelled` is called if it will not be made. */
function whenMade(made: Opened, then: (made: Outcome<Given>) => Opened, cancelled: () => void = () => {}): Opened {
  if (failed(made) || !('again' in made)) return then(made)
  const { again, cancel } = made
  return {
    again: () => whenMade(again(), then, cancelled),
    cancel: () => {
      cancel()
      cancelled()
    },
  }
}

function describe(use: ResourceUse): string {
  switch (use.how) {
    case 'open':
      return `${use.access}: ${showPath(rawPath(use.rule.root))}`
    case 'connect':
    case 'listen':
      return `${use.how}: ${use.rule.source}`
    case 'pair':
      return `pair: ${use.pair}`
    default:
      return use satisfies never
  }
}

function refusal(code: typeof ErrorCode.malformed | typeof ErrorCode.ungranted, text: string): FrameAnswer {
  return { kind: 'refused', refused: { code, errno: 0, text } }
}
