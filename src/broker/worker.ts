/** A confined process, as its user sees it: in this process or over the control channel. */
import type { Socket } from 'node:net'
import type { ModuleTrees } from '../modules/walk.js'
import type { AccessEvent } from '../policy/event.js'
import type { Unsafe } from '../policy/manifest.js'
import type { PolicyData } from '../policy/policy.js'
import type { Mark, Setup } from '../protocol.js'
import type { Batch } from './ledger.js'
import type { Denied } from './messages.js'

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/**
 * A queue: at most `most` of its workers live at a time, and they start in the order of the requests (Tinypool's
 * queue).
 */
export interface Lane {
  readonly name: string
  readonly most: number
}

/**
 * The environment variable of a worker in a lane: a number from 1 to `most` that no other live worker has. Tinypool leaves it in
 * its workers, and Vitest 3 derives VITEST_POOL_ID from it.
 */
export const TURN = 'TINYPOOL_WORKER_ID'

/** The arguments, environment and bounds that a process starts with, before its grants are known. Plain data. */
export interface Launch {
  readonly execArgv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Default: the working directory of the process that starts it. */
  readonly cwd?: string
  /** Paths that the worker and its children may execute at all; `any` if nothing is enforced. */
  readonly executable?: readonly string[] | 'any'
  /** Promises that are given up if this machine cannot keep them. Default: none. */
  readonly unsafe?: readonly Unsafe[]
  readonly denied: Denied
  /** A directory to make for the worker, absolute and canonical. It is removed with the worker's last process. */
  readonly tmp?: string
  /**
   * Descriptors of the broker process that become the worker's standard streams. Without them stdin is empty, and the
   * others are sockets.
   */
  readonly streams?: readonly [stdin: number, stdout: number, stderr: number]
  /** A descriptor of the broker process that becomes the process's channel for `process.send`. Without it, there is none. */
  readonly nodeChannel?: number
  /** Installed packages whose files the worker can look up without a system call. */
  readonly modules?: ModuleTrees
  /** A name: workers that give the same name share their shared resources. */
  readonly shared?: string
  /** True if every access is kept and reported. */
  readonly ledger?: boolean
  /** The lane in which the worker waits for its turn. */
  readonly lane?: Lane
  /** Milliseconds that one stage of the start may stand still. */
  readonly stageTimeout: number
}

type Loose<T> = { readonly [K in keyof T]: T[K] | undefined }
type LaunchKey = Exclude<keyof Launch, 'ledger' | 'nodeChannel'>

/** The part of the options that is known before the process starts, as plain data; absent options are left out. */
export function launchOf(
  options: Pick<Launch, 'execArgv' | 'env' | 'denied' | 'stageTimeout'> & Loose<Pick<Launch, LaunchKey>>,
  ledger: boolean,
): Launch {
  const { execArgv, env, cwd, executable, unsafe, denied, tmp, shared, lane, stageTimeout, modules, streams } = options
  return {
    execArgv,
    env,
    denied,
    stageTimeout,
    ledger,
    ...(cwd === undefined ? {} : { cwd }),
    ...(executable === undefined ? {} : { executable }),
    ...(unsafe === undefined ? {} : { unsafe }),
    ...(tmp === undefined ? {} : { tmp }),
    ...(shared === undefined ? {} : { shared }),
    ...(lane === undefined ? {} : { lane }),
    ...(modules === undefined ? {} : { modules }),
    ...(streams === undefined ? {} : { streams }),
  }
}

/**
 * The grants and the modules of a running process. Plain data. `runtime` is the module that the worker runs; by default
 * Vitest's worker.
 */
export interface Attachment {
  readonly policy: PolicyData
  readonly setup: Omit<Setup, 'filter' | 'seal' | 'opensNetwork' | 'runtime'> & Partial<Pick<Setup, 'runtime'>>
}

/** Receives a worker's events. Its messages and its output are not among them. */
export interface WorkerListener {
  readonly onIncident: (incident: AccessEvent) => void
  /** Gets every access, in batches, if the launch asks for the ledger. */
  readonly onLedger?: (batch: Batch) => void
  /** The broker failed or the worker broke the protocol. Do not trust the worker with more work. */
  readonly onFault: (detail: string) => void
}

/** `policy` and `setup` are read once the process is on its way, so a getter may make them then. */
export type StartOptions = Omit<Launch, 'ledger'> &
  Attachment &
  WorkerListener & {
    /** The canonical root of the project whose tests it runs. Default: the working directory. */
    readonly root?: string
  }

export interface WorkerSockets {
  /** Messages to and from the worker's runtime: bytes, which the caller frames. */
  readonly transport: Socket
  readonly stdout: Socket
  readonly stderr: Socket
}

/** Control of a confined process that runs. */
export interface WorkerControl {
  readonly pid: number
  readonly landlock: number
  readonly exited: Promise<Exit>
  /** Resolves once the broker decides by this policy. `files`: the absolute paths of the test files that it is for. */
  setPolicy(policy: PolicyData, files?: readonly string[]): Promise<void>
  /**
   * Resolves once every incident recorded so far has reached `onIncident`, with everything that the worker itself adds
   * to it.
   */
  settled(): Promise<void>
  /** The test that runs now, as the worker claims. */
  running(): Promise<Mark | undefined>
  /**
   * Resolves once every access so far has reached `onLedger`. Later accesses are reported when the policy changes, and
   * at the end.
   */
  tellLedger(): Promise<void>
  /**
   * Ends the worker and everything that it started, and resolves once nothing of them is left. Allowed in every state.
   */
  stop(): Promise<Exit>
}

export type ConfinedWorker = WorkerControl & WorkerSockets

/** A source of worker processes. */
export interface WorkerSource {
  start(options: StartOptions): Promise<ConfinedWorker>
}
