/** `vitest-seccomp run` by itself, in one file: somebody waits for its start. */
import type { Io } from '../command.js'
import { execute } from '../execute.js'
import { run } from './command.js'

export function start(args: readonly string[], io: Io): Promise<number> {
  return execute('run', () => Promise.resolve(run), args, io)
}
