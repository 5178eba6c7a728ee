/** The public exports. */
export { seccomp, seccompPool, type SeccompPlugin, type SeccompPool, type SeccompWorker } from './vitest/pool.js'
export type { SeccompOptions, SeccompOptions as Vitest3PoolOptions } from './vitest/v3/options.js'
export type { Entry, Manifest, ManifestFile, PoolOptions } from './policy/manifest.js'
export { defineManifest } from './policy/manifest.js'
export type { ResourceEntry } from './policy/resource-entries.js'
export type { SeccompMeta, Violation } from './vitest/violations.js'
export {
  AcquireError,
  ManifestError,
  OldNodeError,
  OldViteError,
  OldVitestError,
  PluginUnusedError,
  PoolReplacedError,
  ProtocolError,
  SeccompPoolError,
  SystemCallError,
  UnsupportedError,
  WorkerStartError,
  WrongVitestError,
  type ManifestProblem,
} from './errors.js'
