/**
 * Messages between the main thread and a broker thread. They are plain data, which crosses threads by structured clone.
 */
import type { AccessEvent } from '../policy/event.js'
import type { PolicyData } from '../policy/policy.js'
import type { BytePath } from '../policy/request.js'
import type { Mark, Setup } from '../protocol.js'
import type { ExecAuthority } from '../syscalls/call.js'
import type { Batch } from './ledger.js'
import type { PolicyUpdate } from './policy-update.js'
import type { SharingAnswer, SharingRequest } from './sharing.js'

export type Denied = 'eacces' | 'hide'

export type ToBroker =
  | {
      readonly type: 'attach'
      readonly pid: number
      /** The broker's end of the channel. The number belongs to the broker from here on. */
      readonly channel: number
      readonly setup: Setup
      readonly policy: PolicyData
      readonly denied: Denied
      readonly execAuthority: ExecAuthority
      /** True if every access is kept and reported. */
      readonly ledger: boolean
      /** Its temporary directory, absolute and canonical. */
      readonly tmp?: string
    }
  /** Decide by this policy from now on; answered by `policy-set`. Earlier records belong to the policy before. */
  | { readonly type: 'policy'; readonly sequence: number; readonly policy: PolicyUpdate }
  /** Report the ledger's content; answered by `ledger-told`, which comes after it. */
  | { readonly type: 'tell-ledger'; readonly sequence: number }
  | SharingAnswer
  /**
   * Read what the worker has sent so far; answered by `heard`, after all messages that result, with the test that runs
   * now.
   */
  | { readonly type: 'hear'; readonly sequence: number }
  /** A descriptor that the worker can acquire by this name, once. The number belongs to the broker from here on. */
  | { readonly type: 'hand-over'; readonly name: string; readonly fd: number }
  /** Let go of the worker: its listener closes, and every waiting call fails. Ends the task. */
  | { readonly type: 'detach' }

/** The content of an `attach`. */
export type AttachCommand = Omit<Extract<ToBroker, { type: 'attach' }>, 'type'>

export type FromBroker =
  /**
   * Comes first. `id`: the thread's number, from 1, unique among the live threads of its pool. `threadId`: unique in the
   * process.
   */
  | { readonly type: 'begun'; readonly id: number; readonly threadId: number }
  | { readonly type: 'stage'; readonly stage: string }
  | { readonly type: 'hello'; readonly landlock: number; readonly waitKillable: boolean; readonly sameCpu: boolean }
  | { readonly type: 'policy-set'; readonly sequence: number }
  | SharingRequest
  | { readonly type: 'incident'; readonly incident: AccessEvent }
  /** The accesses since the last `ledger`. Sent on request, before each `policy-set`, and before `ended`. */
  | { readonly type: 'ledger'; readonly batch: Batch }
  /** Files that were opened for reading by base grants. */
  | { readonly type: 'base-reads'; readonly paths: readonly BytePath[] }
  | { readonly type: 'ledger-told'; readonly sequence: number }
  | { readonly type: 'heard'; readonly sequence: number; readonly label: Mark | undefined }
  /** The peer broke the protocol, or the broker itself failed; the channel is closed. */
  | { readonly type: 'fault'; readonly detail: string }
  /** The process that runs the tests has ended. */
  | { readonly type: 'runner-ended' }
  /** The last process behind the filter is gone, or the session was detached. `label`: the last test that ran. */
  | { readonly type: 'ended'; readonly label?: Mark }

/**
 * Index, in the shared Int32Array, of the number of incidents posted so far: it tells the main thread how many are
 * under way.
 */
export const INCIDENTS = 0
