/** `vitest-seccomp doctor` checks if this machine can confine tests, and if the confinement holds. */
import { EXIT, readArguments, UsageError, type Command, type Io } from '../command.js'
import { describeChecks, diagnose } from './diagnose.js'
import { gather } from './facts.js'

const help = `vitest-seccomp doctor [--json]

Says what of this machine the pool needs is there, what is missing, what that costs and what to do; and tries known ways
out in a real confined worker, and without confinement beside it.

  --json    for programs: { ok, checks: [{ id, state, found, costs?, todo? }] }

Exit code: 0 if tests can run confined, with or without limits; 1 if they cannot, or if a way out is open.
`

export const doctor: Command = { summary: 'say what this machine lacks, and try known ways out', help, run }

async function run(args: readonly string[], io: Io): Promise<number> {
  const {
    values: { json },
    positionals,
  } = readArguments(args, { json: 'flag' })
  if (positionals.length > 0)
    throw new UsageError(`doctor takes no argument, and this is one: ${positionals.join(' ')}`)
  const checks = diagnose(await gather())
  const isOk = checks.every(({ state }) => state !== 'fail')
  io.out(json ? `${JSON.stringify({ ok: isOk, checks }, null, 2)}\n` : describeChecks(checks))
  return isOk ? EXIT.ok : EXIT.no
}
