import { SeccompPoolError } from '../../errors.js'

/** Vitest's process answers calls that this package does not know, so nothing would check what a worker makes it do. */
export class UnknownMethodError extends SeccompPoolError {
  readonly code = 'VITEST_SECCOMP_RPC'
  constructor(
    readonly methods: readonly string[],
    readonly version: string,
    readonly tested: readonly string[],
  ) {
    super(
      `Vitest ${version} lets workers call what this vitest-pool-seccomp does not know: ${methods.join(', ')}.\n` +
        'A worker could use it to reach past its manifest, so the run does not start.\n' +
        `Tested versions of Vitest: ${tested.join(', ')}.\n` +
        'Update vitest-pool-seccomp, or use one of these versions of Vitest.',
    )
  }
}
