import { ManifestError, SeccompPoolError } from '../errors.js'
import { EXIT, UsageError, type Command, type Io } from './command.js'

/** Runs a command, or says how it is used. The exit code; what a user can mend is told as text. */
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
    else if (error instanceof ManifestError || error instanceof SeccompPoolError) io.err(`${error.message}\n`)
    else throw error
    return EXIT.usage
  }
}

/** Before what is another program's: `--`. */
function asksForHelp(args: readonly string[]): boolean {
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  return own.includes('--help') || own.includes('-h')
}
