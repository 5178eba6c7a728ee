/** The pool for Vitest 3: `pool: 'vitest-pool-seccomp/vitest3'`. */
export { seccompPool3 as default } from './vitest/v3/pool.js'
export type { SeccompOptions, SeccompOptions as Vitest3PoolOptions } from './vitest/v3/options.js'
