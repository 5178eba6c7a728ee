/** The entry point of the policy: compile it once, then decide. */
export {
  anchorsOf,
  compilePolicy,
  isLinkless,
  waysOfExclusions,
  withoutDenied,
  wouldRedirectGrant,
  wouldRedirectExclusion,
  type Policy,
} from './compile.js'
export { auditGrant, decide, Granted, mayConnectBy, maySeeInto, type Basis, type Verdict } from './decide.js'
export { quietly } from './deny.js'
export { Exclusions } from './exclusions.js'
export type { Mode, PathRule, PolicyData, RuleAccess, RuleList } from './rules.js'
export type { ListenUse, Resource, ResourceUse } from './resources.js'
export { kindOfUse, listsOf, ownPolicy } from './resources.js'
export type { SocketRule } from './sockets.js'
