import type { Policy } from './compile.js'
import { judgePath, type PathJudgement } from './path-verdict.js'
import type { AccessRequest, BytePath, DenialReason, PathRequest } from './request.js'
import type { PathRule } from './rules.js'
import { judgeSocket, type SocketJudgement } from './socket-index.js'
import type { InetTarget, SocketRule } from './sockets.js'

type RuleFor<R extends AccessRequest> = R extends PathRequest ? PathRule : SocketRule
type PathFor<R extends AccessRequest> = R extends PathRequest ? BytePath : BytePath | undefined

/**
 * The basis of a permission. `ancestor`: no rule covers the path, but one lies below it or behind it, so it may be
 * looked at.
 */
export type Basis = 'rule' | 'ancestor' | 'audit'

// Set by the class's static block, because nothing else can call the private constructor. Never exported.
let mint: <R extends AccessRequest>(request: R, rule: RuleFor<R> | undefined, how: Basis) => Granted<R>

/**
 * The permission to perform one request. Only `decide` and `auditGrant` make one, so a function that takes a `Granted`
 * cannot be called for a request that nobody decided. `Granted` without a type argument is the permission for a path.
 */
export class Granted<R extends AccessRequest = PathRequest> {
  // A private field of the language: neither a look-alike object nor a cast one passes `isGranted`.
  readonly #request: R

  private constructor(
    request: R,
    /** The rule that covers the request; none where only audit mode lets it through. */
    readonly rule: RuleFor<R> | undefined,
    readonly how: Basis,
  ) {
    this.#request = request
    Object.freeze(this)
  }

  get request(): R {
    return this.#request
  }

  /** The path that may be used; none for a socket without a path. */
  get path(): PathFor<R> {
    const request: AccessRequest = this.#request
    const path = request.kind === 'path' ? request.path : 'path' in request.address ? request.address.path : undefined
    // TypeScript does not resolve a conditional type on a type parameter; the line above checks the same condition.
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

/** Decides one request. Pure and total: the same answer for the same policy and request, and never an exception. */
export function decide<R extends AccessRequest>(policy: Policy, request: R): Verdict<R> {
  if (request.kind !== 'path') return decideAnew(policy, request)
  const known = policy.verdicts.of(request)
  const verdict = known ?? decideAnew<PathRequest>(policy, request)
  if (known === undefined) policy.verdicts.keep(request, verdict)
  // R is a PathRequest here: the check of `kind` shows it, but TypeScript does not narrow R.
  return verdict as Verdict<R>
}

/**
 * True if the broker may ask the disk for names in this directory: it is granted, it leads to something that is
 * granted, or it may be listed. In any other directory not even a name is looked up, because that alone could start an
 * automounter or ask a file server.
 */
export function maySeeInto(policy: Policy, directory: BytePath): boolean {
  return decide(policy, { kind: 'path', access: 'look', path: directory, directory: true }).allowed
}

/** True if some address may be connected to by this protocol. */
export function mayConnectBy({ sockets, ceiling }: Policy, protocol: InetTarget['protocol']): boolean {
  const isAny = sockets.connect.inet.some(({ target }) => target.protocol === protocol)
  return isAny && (ceiling === undefined || mayConnectBy(ceiling, protocol))
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
 * The permission for a request that audit mode refused, recorded and lets through. Calling it in enforce mode is a bug
 * of the caller. It throws, because an exception ends in a refusal and a forged permission would not.
 */
export function auditGrant<R extends AccessRequest>(policy: Policy, request: R): Granted<R> {
  if (policy.mode !== 'audit') throw new TypeError('auditGrant was called for a policy that enforces')
  return mint(request, undefined, 'audit')
}

function judge(policy: Policy, request: AccessRequest): PathJudgement | SocketJudgement {
  return request.kind === 'path' ? judgePath(policy.paths, request) : judgeSocket(policy.sockets, request)
}
