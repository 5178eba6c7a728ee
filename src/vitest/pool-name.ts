/** What Vitest calls the pool. */
export const POOL_NAME = 'seccomp'
