/**
 * The descriptors that a worker got while a test file ran, and those that it still has at the end. They are kept only
 * for a ledger. close(2) is never mediated, so /proc is asked in the end.
 */
import { readlinkSync, statSync } from 'node:fs'
import { codeOf } from '../errors.js'
import type { DescriptorKind } from '../policy/operations.js'
import type { AccessRequest } from '../policy/request.js'
import type { Mark } from '../protocol.js'

export interface OpenDescriptor {
  readonly kind: DescriptorKind | 'directory'
  readonly descriptor: number
  /** The path or address, if the descriptor has one. */
  readonly request?: AccessRequest
  /** The text of its link in /proc: `socket:[123]`. */
  readonly text: string
  /** The test that got it, as the worker claims. */
  readonly label: Mark | undefined
  /** Milliseconds since the epoch. */
  readonly opened: number
}

/** The number of descriptors that were made, by kind, and those that are still open. */
export interface DescriptorSummary {
  readonly opened: { readonly [kind: string]: number }
  readonly open: readonly OpenDescriptor[]
}

type TrackedDescriptor = Omit<OpenDescriptor, 'kind' | 'request'> & {
  readonly kind: DescriptorKind
  request?: AccessRequest | undefined
}

/**
 * Kinds that every event loop holds as long as its process lives: libuv's own descriptors, and those that watch files,
 * children and signals.
 */
const MACHINERY: ReadonlySet<DescriptorKind> = new Set(['pipe', 'other'])

export class Descriptors {
  #known = new Map<number, TrackedDescriptor>()
  #opened = new Map<DescriptorKind, number>()

  constructor(readonly pid: number) {}

  /** Notes a descriptor that was put into the worker under this number. */
  add(descriptor: number, kind: DescriptorKind, request: AccessRequest | undefined, label: Mark | undefined): void {
    this.#opened.set(kind, (this.#opened.get(kind) ?? 0) + 1)
    this.#known.delete(descriptor)
    // It may be closed already: the worker goes on as soon as it has it.
    const text = MACHINERY.has(kind) ? undefined : this.#textOf(descriptor)
    if (text !== undefined) this.#known.set(descriptor, { kind, descriptor, request, text, label, opened: Date.now() })
  }

  /** Notes the address of a socket. The first one stays: a server's own, a client's peer. */
  addressed(descriptor: number, request: AccessRequest): void {
    const known = this.#known.get(descriptor)
    if (known !== undefined) known.request ??= request
  }

  requestOf(descriptor: number): AccessRequest | undefined {
    return this.#known.get(descriptor)?.request
  }

  /**
   * Returns the descriptors that are still open and the number of all, and forgets them. `busy`: sockets that keep the
   * worker's event loop alive.
   */
  take(busy: ReadonlySet<number> | undefined): DescriptorSummary {
    const isThere = ({ descriptor, text, kind }: TrackedDescriptor): boolean =>
      (kind !== 'socket' || busy === undefined || busy.has(descriptor)) && this.#textOf(descriptor) === text
    const open = [...this.#known.values()].filter(isThere).map(({ request, ...known }): OpenDescriptor => ({
      ...known,
      ...(request === undefined ? {} : { request }),
      kind: known.kind === 'file' && this.#isDirectory(known.descriptor) ? 'directory' : known.kind,
    }))
    const opened = Object.fromEntries(this.#opened)
    this.reset()
    return { opened, open }
  }

  reset(): void {
    this.#known = new Map()
    this.#opened = new Map()
  }

  /** The link's text shows if a number was closed and reused: then it refers to something else. */
  #textOf(descriptor: number): string | undefined {
    return ifThere(() => readlinkSync(`/proc/${this.pid}/fd/${descriptor}`))
  }

  #isDirectory(descriptor: number): boolean {
    return ifThere(() => statSync(`/proc/${this.pid}/fd/${descriptor}`).isDirectory()) ?? false
  }
}

/** Returns undefined if the process has ended or the descriptor was closed meanwhile. */
function ifThere<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}
