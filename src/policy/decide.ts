import type { Policy } from './compile.js'
import { judgePath, type PathJudgement } from './path-verdict.js'
import type { AccessRequest, BytePath, DenialReason, PathRequest } from './request.js'
import type { PathRule } from './rules.js'
import { judgeSocket, type SocketJudgement } from './socket-index.js'
import type { SocketRule } from './sockets.js'

type RuleFor<R extends AccessRequest> = R extends PathRequest ? PathRule : SocketRule
type PathFor<R extends AccessRequest> = R extends PathRequest ? BytePath : BytePath | undefined

/** `ancestor`: no rule covers it, but one lies below it or behind it, so it may be looked at. */
export type Basis = 'rule' | 'ancestor' | 'audit'

// Filled by the class's static block, which alone reaches its constructor; never exported.
let mint: <R extends AccessRequest>(request: R, rule: RuleFor<R> | undefined, how: Basis) => Granted<R>

/**
 * The permission to perform one request. Only `decide` and `auditGrant` make one, so a function that takes a `Granted`
 * cannot be reached with a request that nobody decided. `Granted` alone is the permission for a path.
 */
export class Granted<R extends AccessRequest = PathRequest> {
  // A real private field: neither a look-alike object nor a cast one passes `isGranted`.
  readonly #request: R

  private constructor(
    request: R,
    /** The rule that covers the request; none for what only audit mode lets through. */
    readonly rule: RuleFor<R> | undefined,
    readonly how: Basis,
  ) {
    this.#request = request
    Object.freeze(this)
  }

  get request(): R {
    return this.#request
  }

  /** The path that may be used; none for a socket that has no path. */
  get path(): PathFor<R> {
    const request: AccessRequest = this.#request
    const path = request.kind === 'path' ? request.path : 'path' in request.address ? request.address.path : undefined
    // TypeScript does not resolve a conditional type on a type parameter; the line above is that condition.
    return path as PathFor<R>
  }

  static isGranted(value: unknown): value is Granted<AccessRequest> {
    return typeof value === 'object' && value !== null && #request in value
  }

  static {
    mint = (request, rule, how) => new Granted(request, rule, how)
  }
}

export type Verdict<R extends AccessRequest = PathRequest> =
  | { readonly allowed: true; readonly granted: Granted<R> }
  | { readonly allowed: false; readonly reason: DenialReason }

/** Pure and total: the same answer for the same policy and request, and never an exception. */
export function decide<R extends AccessRequest>(policy: Policy, request: R): Verdict<R> {
  if (request.kind !== 'path') return decideAnew(policy, request)
  const known = policy.verdicts.of(request)
  const verdict = known ?? decideAnew<PathRequest>(policy, request)
  if (known === undefined) policy.verdicts.keep(request, verdict)
  // R is a PathRequest here, which `kind` has shown and TypeScript does not carry over to R.
  return verdict as Verdict<R>
}

/**
 * True if the disk may be asked for names in this directory: it is granted, it leads to something that is, or it may be
 * listed. Of anything else not even a name is looked up: that alone would start an automounter, or ask a file server.
 */
export function maySeeInto(policy: Policy, directory: BytePath): boolean {
  return decide(policy, { kind: 'path', access: 'look', path: directory, directory: true }).allowed
}

function decideAnew<R extends AccessRequest>(policy: Policy, request: R): Verdict<R> {
  const judgement = judge(policy, request)
  if (!judgement.allowed) return judgement
  const above = policy.ceiling === undefined ? judgement : judge(policy.ceiling, request)
  if (!above.allowed) return above
  // `judge` answers a path request with a path rule and a socket request with a socket rule.
  return { allowed: true, granted: mint(request, judgement.rule as RuleFor<R>, judgement.how) }
}

/**
 * In audit mode, the permission for what was refused and recorded. Asking for one in enforce mode is a mistake of the
 * caller; it throws, because an exception ends in a refusal and a forged permission would not.
 */
export function auditGrant<R extends AccessRequest>(policy: Policy, request: R): Granted<R> {
  if (policy.mode !== 'audit') throw new TypeError('auditGrant was called for a policy that enforces')
  return mint(request, undefined, 'audit')
}

function judge(policy: Policy, request: AccessRequest): PathJudgement | SocketJudgement {
  return request.kind === 'path' ? judgePath(policy.paths, request) : judgeSocket(policy.sockets, request)
}
