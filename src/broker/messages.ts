/** Messages between the main thread and a broker thread. Plain data: it crosses threads by structured clone. */
import type { AccessEvent } from '../policy/event.js'
import type { PolicyData } from '../policy/policy.js'
import type { BytePath } from '../policy/request.js'
import type { Mark, Setup } from '../protocol.js'
import type { ExecAuthority } from '../syscalls/call.js'
import type { Batch } from './ledger.js'
import type { SharingAnswer, SharingRequest } from './sharing.js'

export type Denied = 'eacces' | 'hide'

export type ToBroker =
  | {
      readonly type: 'attach'
      readonly pid: number
      /** The broker's end of the channel. Its number is the broker's from here on. */
      readonly channel: number
      readonly setup: Setup
      readonly policy: PolicyData
      readonly denied: Denied
      readonly execAuthority: ExecAuthority
      /** True if every access is kept, to be told. */
      readonly ledger: boolean
    }
  /** Decide by this from now on; answered by `policy-set`. What was recorded before counts to the policy before. */
  | { readonly type: 'policy'; readonly sequence: number; readonly policy: PolicyData }
  /** Tell what the ledger holds; answered by `ledger-told`, after it. */
  | { readonly type: 'tell-ledger'; readonly sequence: number }
  | SharingAnswer
  /** Read what the worker has said so far; answered by `heard`, after all that came of it, with what runs now. */
  | { readonly type: 'hear'; readonly sequence: number }
  /** A descriptor for the worker to acquire by this name, once. Its number is the broker's from here on. */
  | { readonly type: 'hand-over'; readonly name: string; readonly fd: number }
  /** Let go of the worker: its listener closes, and with it every call that waits fails. Ends the task. */
  | { readonly type: 'detach' }

export type FromBroker =
  /** Comes first. `bell`: the number of an eventfd that wakes the thread. `id`: the thread's, from 1, of no other that lives in its pool. `threadId`: of no other in the process. */
  | { readonly type: 'begun'; readonly bell: number; readonly id: number; readonly threadId: number }
  | { readonly type: 'stage'; readonly stage: string }
  | { readonly type: 'hello'; readonly landlock: number; readonly waitKillable: boolean; readonly sameCpu: boolean }
  | { readonly type: 'policy-set'; readonly sequence: number }
  | SharingRequest
  | { readonly type: 'incident'; readonly incident: AccessEvent }
  /** The accesses since the last one. Told when asked for, before each `policy-set`, and before `ended`. */
  | { readonly type: 'ledger'; readonly batch: Batch }
  /** Files that were opened for reading by base grants. */
  | { readonly type: 'base-reads'; readonly paths: readonly BytePath[] }
  | { readonly type: 'ledger-told'; readonly sequence: number }
  | { readonly type: 'heard'; readonly sequence: number; readonly label: Mark | undefined }
  /** A descriptor that takes long to close: the main thread's from here on. Counted in SLOW_CLOSES until it is closed. */
  | { readonly type: 'close'; readonly fd: number }
  /** The peer broke the protocol, or the broker itself failed; the channel is closed. */
  | { readonly type: 'fault'; readonly detail: string }
  /** The process whose tests these are has ended. */
  | { readonly type: 'runner-ended' }
  /** The last process behind the filter is gone, or the session was detached. `label`: what ran last. */
  | { readonly type: 'ended'; readonly label?: Mark }

/** Index of the counter, in the shared Int32Array, of incidents posted so far: lets the main thread know what is under way. */
export const INCIDENTS = 0
/** Index of the counter of descriptors that were handed over to be closed and are not yet. */
export const SLOW_CLOSES = 1

/** A thread's words about its worker. */
export type OfWorker = Exclude<FromBroker, { type: 'close' }>
