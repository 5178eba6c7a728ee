/** One trapped system call, and the answers that it can get. */
import type { Errno } from '../abi/errno.js'
import type { SyscallName } from '../abi/syscalls.js'
import type { AccessOutcome } from '../policy/event.js'
import type { Operation } from '../policy/operations.js'
import type { Policy } from '../policy/policy.js'
import type { BytePath } from '../policy/request.js'
import { Delegated, type Performed } from './delegated.js'
import { Fail, failed } from './outcome.js'
import type { Place } from './place.js'
import type { Descriptor, Kernel, PortSharing, Sockets, Target } from './ports.js'

/** The six argument registers, each as two halves: JavaScript numbers do not hold 64 bits. */
export interface Registers {
  low(index: number): number
  high(index: number): number
}

/** The reason why a call may be let through to the kernel unchanged. A reply of `continue` needs one. */
type ContinueReason =
  /** chdir: changes only the caller's own state, and a working directory grants nothing. */
  | 'own-state'
  /** execve: Landlock's execute right decides in the kernel, whatever the memory holds by then. */
  | 'landlock-decides'
  /** execve on a kernel without Landlock, if the options allow it: the program may differ from the decided one. */
  | 'unsafe-by-option'
  /** All arguments were in registers, which no other thread can change. */
  | 'registers-only'

export interface Awaited {
  readonly fd: Descriptor
  readonly direction: 'in' | 'out'
}

export interface Kept {
  readonly descriptors: number
  readonly bytes: number
}

export type Reply =
  | Fail
  | { readonly kind: 'value'; readonly value: number }
  /** The descriptor goes into the target and its number is the result. The broker's own copy is closed. */
  | { readonly kind: 'descriptor'; readonly fd: Descriptor; readonly cloexec: boolean }
  /** Both go into the target, then the numbers are written to its memory and the result is 0. */
  | {
      readonly kind: 'pair'
      readonly fds: readonly [Descriptor, Descriptor]
      readonly cloexec: boolean
      readonly pointer: number
    }
  /**
   * They go into the target one after the other, as far as it has room; `finish` makes the result from their numbers.
   */
  | {
      readonly kind: 'received'
      readonly fds: readonly Descriptor[]
      readonly cloexec: boolean
      readonly finish: (numbers: readonly number[]) => Fail | { readonly kind: 'value'; readonly value: number }
    }
  | { readonly kind: 'continue'; readonly reason: ContinueReason }
  /** Pending: `again` is called until it gives something else. Only the target waits. */
  | {
      readonly kind: 'later'
      readonly again: () => Reply
      readonly cancel: () => void
      /** poll(2) on this descriptor says when to call `again`. Without it, `again` is called every few milliseconds. */
      readonly ready?: Awaited
      /** The broker's resources that the call keeps until it is answered or cancelled. */
      readonly keeps?: Kept
      /** The call is being made, and cannot be refused any more. */
      readonly isUnderWay?: true
      /** True if `ready` will never say anything: `again` knows why. */
      readonly isLost?: () => boolean
    }
  /** The target is gone or was interrupted: nobody waits for an answer. */
  | { readonly kind: 'gone' }

export type LaterReply = Extract<Reply, { readonly kind: 'later' }>

export const DONE: Reply = { kind: 'value', value: 0 }
export const GONE: Reply = { kind: 'gone' }

/** The reply to an action that only succeeds or fails. */
export function done(change: Performed): Reply {
  if (change instanceof Delegated) return change.reply(done)
  return failed(change) ? change : DONE
}

export function value(result: number): Reply {
  return { kind: 'value', value: result }
}

/** The holder of an own socket: the broker itself, or the worker, most likely at this descriptor. */
export type Holder = 'broker' | number

/** A datagram socket that is connected to own sockets: nothing decides on the data that it sends later. */
export interface ConnectionLease {
  readonly cookie: string
  readonly port: number
  readonly peer: { readonly host: string; readonly port: number }
  /** The sockets that it sends to. They stay open as long as it is connected, so that their port stays theirs. */
  readonly receivers: readonly Descriptor[]
  /** Their cookies. */
  readonly cookies: ReadonlySet<string>
}

/**
 * The addresses that this worker and its children listen on, or did. A former address alone exempts nothing: each time,
 * the cookie shows if the living socket is still the worker's own.
 */
export interface OwnAddresses {
  addInternet(protocol: 'tcp' | 'udp', port: number, cookie: string, holder: Holder): void
  /** The cookies of own sockets at this port. Not empty if the port was ever the worker's own. */
  at(protocol: 'tcp' | 'udp', port: number): ReadonlyMap<string, Holder>
  /** True if there was ever an own socket of this protocol. */
  uses(protocol: 'tcp' | 'udp'): boolean
  /** `file`: the identity of the file that binding made. */
  addUnix(path: BytePath, granted: UnixGrant, file: string): void
  /** The permission with which an own socket was bound to this path, and the file that binding made. */
  boundAt(path: BytePath): { readonly granted: UnixGrant; readonly file: string } | undefined
  /** Notes the spelling that a unix socket was bound to: the kernel knows only the last name. */
  addName(text: string, cookie: string): void
  /**
   * The spelling, found by the socket itself, or by the name that the kernel shows. It is only shown to the worker, and
   * decides nothing.
   */
  boundAs(name: string, cookie: string | undefined): string | undefined
  addAbstract(name: BytePath, holder: Holder): void
  abstractAt(name: BytePath): Holder | undefined
  /** Notes that a datagram socket is to share its port, once it has one, or not. */
  share(cookie: string, option: PortSharing, isOn: boolean): void
  sharing(cookie: string): ReadonlySet<PortSharing>
  /** True if one more lease, of so many receivers, is within the bounds, after stale ones have been ended. */
  mayLease(sockets: Sockets, receivers: number): boolean
  lease(lease: ConnectionLease): void
  /**
   * The hosts at which leased connections reach this socket; all addresses if the broker holds it, because other
   * workers may be connected to it.
   */
  reliedOn(cookie: string, sockets: Sockets): readonly string[]
  /** Ends the lease of a socket that is connected anew, or no longer. */
  endLease(cookie: string): void
  /** Ends the leases whose socket is no longer connected. */
  endLeases(sockets: Sockets): void
}

/** The permission to bind a unix socket: a `listen` entry, or a `write` entry for the file that binding makes. */
export type UnixGrant = Place['granted']

/**
 * The authority over the start of a program: Landlock in the kernel; or none, so that nothing may be started. `unsafe`
 * trusts the worker not to change the path between the decision and the start.
 */
export type ExecAuthority = 'landlock' | 'none' | 'unsafe'

export interface Call {
  readonly name: SyscallName
  /** The operation of the call's row. */
  readonly operation: Operation
  readonly registers: Registers
  readonly target: Target
  readonly kernel: Kernel
  readonly policy: Policy
  /** The appearance of a denied path: a refusal, or a file that does not exist. */
  readonly denied: 'eacces' | 'hide'
  readonly own: OwnAddresses
  readonly execAuthority: ExecAuthority
  /** The worker's temporary directory, which the broker made. */
  readonly tmp?: BytePath | undefined
  record(outcome: AccessOutcome): void
}

/** Makes a refusal that programs cope with: the ledger records it, but it is no violation. */
export function no(call: Call, errno: Errno, why: string): Fail {
  call.record({ outcome: 'forbidden', why, violation: false })
  return Fail.of(errno)
}
