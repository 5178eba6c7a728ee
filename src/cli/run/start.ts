/** `vitest-seccomp run` in a bundle of its own, because its start should be short. */
import type { Io } from '../command.js'
import { execute } from '../execute.js'
import { run } from './command.js'

export function start(args: readonly string[], io: Io): Promise<number> {
  return execute('run', () => Promise.resolve(run), args, io)
}
