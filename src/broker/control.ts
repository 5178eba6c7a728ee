/**
 * Messages between a runner (Vitest's process) and its broker process: frames of framing.ts over a socket of their own.
 * A worker's sockets come beside them, over Node's channel: docs/protocol.md. This module is pure.
 */
import * as v from 'valibot'
import { ProtocolError } from '../errors.js'
import type { AccessEvent } from '../policy/event.js'
import { UNSAFE } from '../policy/manifest.js'
import type { PolicyData } from '../policy/policy.js'
import type { Mark } from '../protocol.js'
import type { Batch } from './ledger.js'
import type { PolicyUpdate } from './policy-update.js'
import type { Attachment, Exit, WorkerSockets } from './worker.js'

/** The number of a worker. The runner chooses it, counting up, when it asks for the worker. */
const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
/** The number of a question; its answer has the same. */
const sequence = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
/** Text that may become an argument or a path: execve(2) would cut it at a NUL. */
const text = v.pipe(v.string(), v.excludes('\0'))
const absolute = v.pipe(text, v.startsWith('/'))

const launch = v.strictObject({
  execArgv: v.array(text),
  env: v.record(v.pipe(text, v.excludes('=')), text),
  cwd: absolute,
  executable: v.optional(v.union([v.literal('any'), v.array(absolute)])),
  unsafe: v.optional(v.array(v.picklist(UNSAFE))),
  denied: v.picklist(['eacces', 'hide']),
  tmp: v.optional(absolute),
  shared: v.optional(text),
  modules: v.optional(
    v.strictObject({
      roots: v.array(absolute),
      aliases: v.array(absolute),
      without: v.array(absolute),
      denied: v.optional(v.array(v.strictObject({ root: absolute, pattern: v.optional(absolute) })), []),
      compiled: v.optional(v.boolean(), false),
    }),
  ),
  lane: v.optional(
    v.strictObject({
      name: text,
      most: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(512)),
    }),
  ),
  ledger: v.boolean(),
  stageTimeout: v.pipe(v.number(), v.minValue(1)),
})

/** Plain data that the broker's own code checks as it uses it: a mistake there ends this one worker. */
const hasLists = (value: unknown): boolean => isRecord(value) && Array.isArray(value.lists)
const policy = v.custom<PolicyData>(hasLists)
const update = v.custom<PolicyUpdate>(hasLists)
const setup = v.custom<Attachment['setup']>(
  (value) => isRecord(value) && Array.isArray(value.landlock) && Array.isArray(value.preload),
)
/**
 * The tests that a worker is for: the canonical root of the project, and the absolute paths of the test files, empty
 * while no file is known. A confined runner gets for them what the manifest file says; for any other runner they are
 * ignored.
 */
const subject = v.strictObject({ root: absolute, files: v.array(absolute) })
const role = v.picklist(['transport', 'stdout', 'stderr'])

const request = v.variant('type', [
  /**
   * Forks a worker. Its sockets come one by one, each after the one before was acknowledged; then `launched`, or
   * `failed`.
   */
  v.strictObject({ type: v.literal('launch'), id, launch, subject }),
  /** Acknowledges that the runner has this socket. */
  v.strictObject({ type: v.literal('received'), id, role }),
  /** Gives the worker its grants, and what it runs. Answered by `up` or `failed`. */
  v.strictObject({ type: v.literal('attach'), id, policy, setup, subject }),
  /** Changes the grants. Answered by `done`. */
  v.strictObject({ type: v.literal('policy'), id, sequence, policy: update, subject }),
  v.strictObject({ type: v.literal('settle'), id, sequence }),
  v.strictObject({ type: v.literal('running'), id, sequence }),
  v.strictObject({ type: v.literal('tell-ledger'), id, sequence }),
  /** Makes the starts that still wait in this lane fail. */
  v.strictObject({ type: v.literal('cancel'), id, lane: text }),
  /** Between two runs: what is installed may have changed. */
  v.strictObject({ type: v.literal('look-again') }),
  /** Stops a worker in any state. Answered once nothing of the worker is left. */
  v.strictObject({ type: v.literal('stop'), id, sequence }),
])

export type ControlRequest = v.InferOutput<typeof request>
export type Subject = v.InferOutput<typeof subject>
export type Role = keyof WorkerSockets

/** Checks a message. Throws a ProtocolError for anything that is not a request. */
export function parseRequest(message: unknown): ControlRequest {
  const parsed = v.safeParse(request, message)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  throw new ProtocolError(
    `the runner said something that the broker does not understand: ${v.getDotPath(issue) ?? 'the message'}: ${issue.message}`,
  )
}

/** The abilities of this machine. */
export interface Ability {
  /** The missing abilities, in words; empty if this machine can confine. */
  readonly missing: readonly string[]
  /** `refused`: the broker cannot reach a worker's sockets. */
  readonly sockets: 'decided' | 'refused'
}

/** Messages from the broker, which the runner trusts. */
export type Notice =
  /** Comes first, and once. */
  | ({ readonly type: 'ready' } & Ability)
  /** A confined client acquires this socket by its name: `socketName`. */
  | { readonly type: 'handed'; readonly id: number; readonly role: Role }
  | { readonly type: 'launched'; readonly id: number; readonly pid: number }
  | { readonly type: 'failed'; readonly id: number; readonly stage: string; readonly detail: string }
  | { readonly type: 'up'; readonly id: number; readonly landlock: number }
  | { readonly type: 'incident'; readonly id: number; readonly incident: AccessEvent }
  | { readonly type: 'ledger'; readonly id: number; readonly batch: Batch }
  | { readonly type: 'fault'; readonly id: number; readonly detail: string }
  | { readonly type: 'exited'; readonly id: number; readonly exit: Exit }
  /** Answers `policy`, `settle`, `running`, `tell-ledger`, `stop`. */
  | {
      readonly type: 'done'
      readonly id: number
      readonly sequence: number
      readonly label?: Mark
      readonly exit?: Exit
    }

/** The message that comes with a socket over Node's channel. */
export interface Handover {
  readonly id: number
  readonly role: Role
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
