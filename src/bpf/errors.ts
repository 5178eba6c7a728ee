import { SeccompPoolError } from '../errors.js'

/**
 * A filter or a program is wrong: a duplicate number, an errno out of range, a jump past the end. Always a mistake in
 * this project's own code, found before anything is confined; never the answer to a request.
 */
export class BpfError extends SeccompPoolError {
  readonly code = 'VITEST_SECCOMP_BPF'
  constructor(
    /** The place of the fault: `rules[3] (number 257), case 0`, `instruction 12`. */
    readonly at: string,
    readonly expected: string,
    readonly found: string,
  ) {
    super(`${at}: expected ${expected}, found ${found}`)
  }
}
