import { inspect } from 'node:util'
import { isOwnError } from '../errors.js'
import { visibleJson } from '../policy/visible.js'
import { EXIT, UsageError, type Command, type Io } from './command.js'

/**
 * Runs a command or prints its help, and returns the exit code. A mistake that users can correct is printed as text, any
 * other error with its stack, and without the line of this package's bundle that Node would print above it.
 */
export async function execute(
  name: string,
  load: () => Promise<Command>,
  args: readonly string[],
  io: Io,
): Promise<number> {
  const command = await load()
  if (asksForHelp(args)) {
    io.out(command.help)
    return EXIT.ok
  }
  try {
    return await command.run(args, io)
  } catch (error) {
    if (error instanceof UsageError) io.err(`vitest-seccomp ${name}: ${error.message}\n`)
    else if (isOwnError(error)) io.err(`${error.message}\n`)
    // An error of JSON.parse quotes what it reads, which a test or a plugin may have written.
    else io.err(`vitest-seccomp ${name}: ${visibleJson(inspect(error))}\n`)
    return EXIT.usage
  }
}

/** True if the command's own arguments ask for help. Those after `--` belong to another program. */
function asksForHelp(args: readonly string[]): boolean {
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  return own.includes('--help') || own.includes('-h')
}
