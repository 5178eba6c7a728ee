/** The public surface. */
export { seccomp, seccompPool, type SeccompPlugin } from './vitest/pool.js'
export type { Entry, Manifest, ManifestFile, PoolOptions } from './policy/manifest.js'
export type { SeccompMeta, Violation } from './vitest/violations.js'
export {
  ManifestError, PoolReplacedError, ProtocolError, SeccompPoolError, SystemCallError, UnsupportedError, WorkerStartError,
  type ManifestProblem,
} from './errors.js'
