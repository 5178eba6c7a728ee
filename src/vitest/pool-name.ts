/** The pool's name to Vitest. */
export const POOL_NAME = 'seccomp'
