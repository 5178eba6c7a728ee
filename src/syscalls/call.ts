/** One trapped system call, and the answers it can get. */
import type { Errno } from '../abi/errno.js'
import type { SyscallName } from '../abi/syscalls.js'
import type { AccessOutcome } from '../policy/event.js'
import type { Operation } from '../policy/operations.js'
import type { Policy } from '../policy/policy.js'
import type { BytePath } from '../policy/request.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Place } from './place.js'
import type { Descriptor, Kernel, Sockets, Target } from './ports.js'

/** The six argument registers, each as two halves: JavaScript numbers do not hold 64 bits. */
export interface Registers {
  low(index: number): number
  high(index: number): number
}

/** Why a call may be let through to the kernel unchanged. There is no other way to say `continue`. */
type ContinueReason =
  /** chdir: changes only the caller's own state, and a working directory grants nothing. */
  | 'own-state'
  /** execve: Landlock's execute right decides in the kernel, whatever the memory says by then. */
  | 'landlock-decides'
  /** execve on a kernel without Landlock, where the options say so: what runs may differ from what was decided. */
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
  /** They go into the target one after the other, as far as there is room for them; their numbers then say what comes of it. */
  | {
      readonly kind: 'received'
      readonly fds: readonly Descriptor[]
      readonly cloexec: boolean
      readonly finish: (numbers: readonly number[]) => Fail | { readonly kind: 'value'; readonly value: number }
    }
  | { readonly kind: 'continue'; readonly reason: ContinueReason }
  /** Not yet. Asked again until it gives something else; the target waits, nobody else does. */
  | {
      readonly kind: 'later'
      readonly again: () => Reply
      readonly cancel: () => void
      /** poll(2) tells when it is worth asking again. Without it nothing does, and it is asked every few milliseconds. */
      readonly ready?: Awaited
      /** Of the broker's, until it is answered or cancelled. */
      readonly keeps?: Kept
    }
  /** The target is gone or was interrupted: nobody to answer. */
  | { readonly kind: 'gone' }

export type LaterReply = Extract<Reply, { readonly kind: 'later' }>

export const DONE: Reply = { kind: 'value', value: 0 }
export const GONE: Reply = { kind: 'gone' }

/** For what gives no more than whether it went well. */
export function done(outcome: Outcome<true>): Reply {
  return failed(outcome) ? outcome : DONE
}

export function value(result: number): Reply {
  return { kind: 'value', value: result }
}

/** The holder of an own socket: the broker itself, or the worker, most likely at this descriptor. */
export type Holder = 'broker' | number

/** A datagram socket that is connected to own ones: what it sends later, nobody decides. */
export interface ConnectionLease {
  readonly cookie: string
  readonly port: number
  readonly peerPort: number
  /** The sockets that it sends to. Open for as long as it is connected, so that their port is nobody else's. */
  readonly receivers: readonly Descriptor[]
}

/**
 * The addresses that this worker and its children listen on, or did. That one was theirs once exempts nothing: it is looked up each time
 * whether the living socket is the one of that cookie.
 */
export interface OwnAddresses {
  addInternet(protocol: 'tcp' | 'udp', port: number, cookie: string, holder: Holder): void
  /** The cookies of own sockets at this port. Not empty for a port that was the worker's own once. */
  at(protocol: 'tcp' | 'udp', port: number): ReadonlyMap<string, Holder>
  /** True if there was any own socket of this protocol. */
  uses(protocol: 'tcp' | 'udp'): boolean
  /** `file`: the identity of what binding made. */
  addUnix(path: BytePath, granted: UnixGrant, file: string): void
  /** The permission with which an own socket was bound to this path, and the file that binding made. */
  boundAt(path: BytePath): { readonly granted: UnixGrant; readonly file: string } | undefined
  /** Notes the spelling that a unix socket was bound to: the kernel knows the last name alone. */
  addName(text: string, cookie: string): void
  /** The spelling, by the socket itself, or by the name that the kernel shows. It is told to the worker, and decides nothing. */
  boundAs(name: string, cookie: string | undefined): string | undefined
  addAbstract(name: BytePath, holder: Holder): void
  abstractAt(name: BytePath): Holder | undefined
  /** True if one more lease is within the bounds, once those are given up whose socket is not connected any more. */
  mayLease(sockets: Sockets): boolean
  lease(lease: ConnectionLease): void
  /** This socket is connected anew, or not any more. */
  endLease(cookie: string): void
  /** Gives up the leases whose socket is not connected any more. */
  endLeases(sockets: Sockets): void
}

/** The permission to bind a unix socket: a `listen` entry, or a `write` entry for the file that binding makes. */
export type UnixGrant = Place['granted']

/**
 * How a program is started: Landlock decides in the kernel, or nobody could, and so nobody may; `unsafe` trusts the worker
 * not to change the path between the decision and the start.
 */
export type ExecAuthority = 'landlock' | 'none' | 'unsafe'

export interface Call {
  readonly name: SyscallName
  /** Of the row. */
  readonly operation: Operation
  readonly registers: Registers
  readonly target: Target
  readonly kernel: Kernel
  readonly policy: Policy
  /** How a denied path shows itself: as a refusal, or as if it were not there. */
  readonly denied: 'eacces' | 'hide'
  readonly own: OwnAddresses
  readonly execAuthority: ExecAuthority
  record(outcome: AccessOutcome): void
}

/** A refusal that programs live with: told in the ledger, and no violation. */
export function no(call: Call, errno: Errno, why: string): Fail {
  call.record({ outcome: 'forbidden', why, violation: false })
  return Fail.of(errno)
}
