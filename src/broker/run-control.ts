/**
 * Messages between `vitest-seccomp run` (the launcher) and its broker process: frames over a socket of their own. The
 * launcher is trusted: it has read the manifest file before anything of the project ran.
 */
import type { AccessEvent } from '../policy/event.js'
import type { Ground } from './ceiling.js'
import type { Ability } from './control.js'
import type { Batch } from './ledger.js'
import type { Attachment, Exit, Launch } from './worker.js'

export type LauncherRequest =
  /** Start Vitest, confined. Comes once. */
  | {
      readonly type: 'run'
      readonly launch: Omit<Launch, 'streams' | 'nodeChannel'>
      readonly attachment: Attachment
      readonly ground: Ground
      /** True if the launcher was started with a channel for `process.send`, which Vitest is to have. */
      readonly hasNodeChannel: boolean
    }
  /** A signal that was sent to the launcher alone, to pass on to Vitest. */
  | { readonly type: 'signal'; readonly signal: NodeJS.Signals }

export type LauncherNotice =
  | ({ readonly type: 'ready' } & Ability)
  | { readonly type: 'failed'; readonly stage: string; readonly detail: string }
  | { readonly type: 'up'; readonly pid: number }
  /** `of`: Vitest itself, or one of its workers. */
  | { readonly type: 'incident'; readonly of: 'runner' | 'worker'; readonly incident: AccessEvent }
  | { readonly type: 'ledger'; readonly batch: Batch }
  | { readonly type: 'fault'; readonly detail: string }
  /** Comes last. */
  | { readonly type: 'exited'; readonly exit: Exit }
