/**
 * The descriptors that a worker got while a test file ran, and those that it still has when asked: kept only while somebody
 * wants to know. Close(2) is never mediated, so what is still there is looked up in the end.
 */
import { readlinkSync, statSync } from 'node:fs'
import { codeOf } from '../errors.js'
import type { DescriptorKind } from '../policy/operations.js'
import type { AccessRequest } from '../policy/request.js'
import type { Mark } from '../protocol.js'

export interface OpenDescriptor {
  readonly kind: DescriptorKind | 'directory'
  readonly descriptor: number
  /** The path or address, where it has one. */
  readonly request?: AccessRequest
  /** Its text in /proc: `socket:[123]`. */
  readonly text: string
  /** The test that got it, by the worker's own word. */
  readonly label: Mark | undefined
  /** Milliseconds since the epoch. */
  readonly opened: number
}

/** How many descriptors there were, by kind, and those that are left. */
export interface DescriptorSummary {
  readonly opened: { readonly [kind: string]: number }
  readonly open: readonly OpenDescriptor[]
}

type TrackedDescriptor = Omit<OpenDescriptor, 'kind' | 'request'> & {
  readonly kind: DescriptorKind
  request?: AccessRequest | undefined
}

/** The kinds that every event loop has for as long as its process lives: libuv's own, and what watches files, children and signals. */
const MACHINERY: ReadonlySet<DescriptorKind> = new Set(['pipe', 'other'])

export class Descriptors {
  #known = new Map<number, TrackedDescriptor>()
  #opened = new Map<DescriptorKind, number>()

  constructor(readonly pid: number) {}

  /** A descriptor was put into the worker, under this number. */
  add(descriptor: number, kind: DescriptorKind, request: AccessRequest | undefined, label: Mark | undefined): void {
    this.#opened.set(kind, (this.#opened.get(kind) ?? 0) + 1)
    this.#known.delete(descriptor)
    // It may be closed by now: the worker goes on as soon as it has it.
    const text = MACHINERY.has(kind) ? undefined : this.#textOf(descriptor)
    if (text !== undefined) this.#known.set(descriptor, { kind, descriptor, request, text, label, opened: Date.now() })
  }

  /** A socket got an address. The first one stays: a server's own, a client's peer. */
  addressed(descriptor: number, request: AccessRequest): void {
    const known = this.#known.get(descriptor)
    if (known !== undefined) known.request ??= request
  }

  requestOf(descriptor: number): AccessRequest | undefined {
    return this.#known.get(descriptor)?.request
  }

  /** Those that are still there, and the number of all; forgets them. `busy`: sockets that hold the worker's event loop. */
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

  /** A number that was closed and used again refers to something else, which shows in its text. */
  #textOf(descriptor: number): string | undefined {
    return ifThere(() => readlinkSync(`/proc/${this.pid}/fd/${descriptor}`))
  }

  #isDirectory(descriptor: number): boolean {
    return ifThere(() => statSync(`/proc/${this.pid}/fd/${descriptor}`).isDirectory()) ?? false
  }
}

/** The process may end at any time, and a descriptor be closed. */
function ifThere<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}
