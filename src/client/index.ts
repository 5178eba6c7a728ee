/**
 * `vitest-pool-seccomp/client`: the pool's functions for tests. They give resources by the names in the manifest, and
 * list the grants of the test file.
 */
import { isMainThread } from 'node:worker_threads'
import { AcquireError } from '../errors.js'
import type { ResourceKind } from '../policy/resource-names.js'
import { OFFER, type Offer, type AcquireRefusal } from '../protocol/offer.js'
import { handleOf, type Handles } from './handles.js'

export { AcquireError, type AcquireFailure } from '../errors.js'
export type { ResourceKind } from '../policy/resource-names.js'
export type {
  AddressHandle,
  DatagramResource,
  DirectoryResource,
  FileResource,
  Handle,
  Handles,
  PathHandle,
  ServerResource,
  SocketResource,
} from './handles.js'

/**
 * The resources that the manifest declares: each name and its kind. Empty until you extend it; then a wrong name does
 * not compile:
 *
 *     declare module 'vitest-pool-seccomp/client' {
 *       interface Resources extends ResourcesOf<typeof manifest> {}
 *     }
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- it is there to be extended
export interface Resources {}

/** The name of a resource: any string, until `Resources` is extended. */
export type ResourceName = keyof Resources extends never ? string : Extract<keyof Resources, string>

/** The handle of a resource: any kind, until `Resources` is extended. Its `kind` says which. */
export type HandleOf<N extends ResourceName> = Handles[N extends keyof Resources
  ? Extract<Resources[N], ResourceKind>
  : ResourceKind]

/** The kind for an entry's text: one kind for a literal; for any string, as in a JSON file, every possible kind. */
type KindOfText<S, Special extends string, IfSo, IfNot> = string extends S
  ? IfSo | IfNot
  : S extends Special
    ? IfSo
    : IfNot

type KindOfEntry<E> = E extends { readonly pair: string }
  ? 'socket'
  : E extends { readonly connect: infer S }
    ? KindOfText<S, `udp:${string}`, 'datagram', 'socket'>
    : E extends { readonly listen: infer S }
      ? KindOfText<S, `udp:${string}`, 'datagram', 'server'>
      : E extends { readonly read: infer S } | { readonly write: infer S }
        ? KindOfText<S, `${string}/`, 'directory', 'file'>
        : ResourceKind

/** The `resources` of a manifest by name, for `interface Resources`. */
export type ResourcesOf<M> = M extends { readonly resources: infer R }
  ? { readonly [N in keyof R]: KindOfEntry<R[N]> }
  : Record<never, never>

/** The grants of this test file, as its manifest writes them. Grants that every test has are not in it. */
export interface GrantedList {
  readonly mode: 'enforce' | 'audit'
  readonly read: readonly string[]
  readonly write: readonly string[]
  readonly exec: readonly string[]
  readonly connect: readonly string[]
  readonly listen: readonly string[]
  readonly resources: readonly { readonly name: string; readonly kind: ResourceKind }[]
}

/**
 * Returns the resource that the manifest gives this name, synchronously. Throws an AcquireError if there is none (which
 * is a violation), if it cannot be opened, and outside the pool.
 */
export function acquire<N extends ResourceName>(name: N): HandleOf<N> {
  const resource = answered(offer(`acquire('${name}')`).acquire(name))
  // The cast: both the broker's kind and the type's come from the manifest's entry.
  return handleOf(resource) as HandleOf<N>
}

/** A fixture for `test.extend({ web: resource('web') })`: acquired for a test that uses it, and closed after it. */
export function resource<N extends ResourceName>(
  name: N,
): (context: object, use: (handle: HandleOf<N>) => Promise<void>) => Promise<void> {
  // Vitest reads the parameters' text: the first one has to be a pattern.
  // oxlint-disable-next-line no-empty-pattern
  return async ({}, use) => {
    const handle = acquire(name)
    try {
      await use(handle)
    } finally {
      handle.close()
    }
  }
}

/** Returns the grants of this test file. Throws an AcquireError outside the pool. */
export function granted(): GrantedList {
  const { mode, items } = answered(offer('granted()').granted())
  const entriesOf = (list: string): string[] => items.filter((item) => item.list === list).map(({ entry }) => entry)
  return {
    mode,
    read: entriesOf('read'),
    write: entriesOf('write'),
    exec: entriesOf('exec'),
    connect: entriesOf('connect'),
    listen: entriesOf('listen'),
    resources: items.flatMap(({ entry, kind }) => (kind === undefined ? [] : [{ name: entry, kind }])),
  }
}

/**
 * True if this process runs behind the pool's filter: in a test, in a thread of a test, in a program that a test
 * started. For information only.
 */
export function isConfined(): boolean {
  return Object.hasOwn(process, OFFER) || process.env.VITEST_SECCOMP_WORKER !== undefined
}

function offer(what: string): Offer {
  // The cast: the worker's entry put it there, and the symbol stands for its type.
  const there = Reflect.get(process, OFFER) as Offer | undefined
  if (there === undefined) throw new AcquireError(isMainThread ? 'outside' : 'thread', what)
  return there
}

function answered<T extends object>(answer: T | AcquireRefusal): T {
  if (!('failure' in answer)) return answer
  throw new AcquireError(answer.failure, answer.text, answer.errno)
}
