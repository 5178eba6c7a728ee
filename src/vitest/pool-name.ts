/** The name under which Vitest knows the pool. */
export const POOL_NAME = 'seccomp'
