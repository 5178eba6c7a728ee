/** The command line: `vitest-seccomp <command>`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nearest, oneOf } from '../policy/nearest.js'
import { EXIT, type Command, type Io } from './command.js'
import { dist } from './dist.js'
import { execute } from './execute.js'

/** The commands. Each is loaded only when it is called. */
const commands: { readonly [name: string]: () => Promise<Command> } = {
  record: async () => (await import('./record/command.js')).record,
  run: async () => (await import('./run/command.js')).run,
  accept: async () => (await import('./accept.js')).accept,
  diff: async () => (await import('./diff/command.js')).diff,
  explain: async () => (await import('./explain/command.js')).explain,
  doctor: async () => (await import('./doctor/command.js')).doctor,
  report: async () => (await import('./report.js')).report,
}

async function help(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(commands).map(async ([name, load]) => `  ${name.padEnd(10)}${(await load()).summary}`),
  )
  return `vitest-seccomp <command>\n\n${lines.join('\n')}\n\nvitest-seccomp <command> --help says more.\n`
}

function version(): string {
  // package.json lies beside dist/, in the package and in the repository.
  const { version: own }: { version: string } = JSON.parse(readFileSync(join(dist, '../package.json'), 'utf8'))
  return own
}

export async function main(args: readonly string[], io: Io): Promise<number> {
  const [name = '--help', ...rest] = args
  if (name === '--help' || name === '-h' || name === 'help') {
    io.out(await help())
    return EXIT.ok
  }
  if (name === '--version' || name === '-v') {
    io.out(`${version()}\n`)
    return EXIT.ok
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load === undefined) {
    const near = nearest(name, Object.keys(commands))
    io.err(
      `vitest-seccomp: there is no command ${name}; there are ${oneOf(Object.keys(commands))}${near === undefined ? '' : `. Did you mean ${near}?`}\n`,
    )
    return EXIT.usage
  }
  return execute(name, load, rest, io)
}
