/** A confined process, as whoever wants one says and hears of it, in this process or over the control channel. */
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

/** At most `most` workers of a lane live at a time, in the order in which they were asked for: Tinypool's queue. */
export interface Lane {
  readonly name: string
  readonly most: number
  /** A variable that is to hold, in the worker's environment, a number from 1 to `most` of no other worker that lives. */
  readonly idVariable: string
}

/** The arguments, environment and bounds that a process is started by, before anybody knows its grants. Plain data. */
export interface Launch {
  readonly execArgv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Default: the working directory of whoever starts it. */
  readonly cwd?: string
  /** Paths that the worker and its children may execute at all; `any` where nothing is enforced. */
  readonly executable?: readonly string[] | 'any'
  /** Promises that are given up where this machine cannot keep them. Default: none. */
  readonly unsafe?: readonly Unsafe[]
  readonly denied: Denied
  /** A directory to make for it, absolute and canonical, which goes with its last process. */
  readonly tmp?: string
  /** Descriptors of the broker process that become its standard streams. Without them stdin is empty, the others are sockets. */
  readonly streams?: readonly [stdin: number, stdout: number, stderr: number]
  /** Installed packages whose files it need not ask for. */
  readonly modules?: ModuleTrees
  /** Names what this worker has together with others that give the same. */
  readonly shared?: string
  /** True if every access is kept, to be told. */
  readonly ledger?: boolean
  /** Waits for its turn among those that name the same lane. */
  readonly lane?: Lane
  /** Milliseconds that one stage of the start may stand still. */
  readonly stageTimeout: number
}

type Loose<T> = { readonly [K in keyof T]: T[K] | undefined }
type LaunchKey = Exclude<keyof Launch, 'ledger'>

/** The plain data among the given options that is known before the process is on its way; absent options are left out. */
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

/** The grants and the modules of a running process. Plain data. `runtime`: the module that the worker runs; Vitest's worker by default. */
export interface Attachment {
  readonly policy: PolicyData
  readonly setup: Omit<Setup, 'filter' | 'seal' | 'opensNetwork' | 'runtime'> & Partial<Pick<Setup, 'runtime'>>
}

/** Hears of it, besides its messages and its output. */
export interface WorkerListener {
  readonly onIncident: (incident: AccessEvent) => void
  /** Gets every access, in batches, where the launch asks for the ledger. */
  readonly onLedger?: (batch: Batch) => void
  /** The broker failed or the worker broke the protocol. The worker is not to be trusted with more work. */
  readonly onFault: (detail: string) => void
}

/** `policy` and `setup` are read when the process is on its way, and may be made then. */
export type StartOptions = Omit<Launch, 'ledger'> &
  Attachment &
  WorkerListener & {
    /** The root of the project that it runs tests of, canonical. Default: the working directory. */
    readonly root?: string
  }

export interface WorkerSockets {
  /** Messages to and from the worker's runtime: bytes, framed by the caller. */
  readonly transport: Socket
  readonly stdout: Socket
  readonly stderr: Socket
}

/** Control of a confined process that runs. */
export interface WorkerControl {
  readonly pid: number
  readonly landlock: number
  readonly exited: Promise<Exit>
  /** Resolves once the broker decides by it. `files`: the test files that it is for, absolute. */
  setPolicy(policy: PolicyData, files?: readonly string[]): Promise<void>
  /** Resolves once every incident recorded so far has reached `onIncident`, with all that the worker itself has to say of it. */
  settled(): Promise<void>
  /** The test that runs now, by the worker's own word. */
  running(): Promise<Mark | undefined>
  /** Resolves once every access so far has reached `onLedger`. What comes later is told when the policy changes, and at the end. */
  tellLedger(): Promise<void>
  /** Ends the worker and all it started, and returns once nothing of them is left. Right in every state. */
  stop(): Promise<Exit>
}

export type ConfinedWorker = WorkerControl & WorkerSockets

/** Where worker processes come from. */
export interface WorkerSource {
  start(options: StartOptions): Promise<ConfinedWorker>
}
