/** The shape of the CLI's commands, and the parser of their arguments. */
import { parseArgs } from 'node:util'
import { nearest } from '../policy/nearest.js'

export interface Io {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

export interface Command {
  readonly summary: string
  /** The complete help text. */
  readonly help: string
  /** Runs the command and returns the exit code. Throws a UsageError for arguments that it cannot read. */
  readonly run: (args: readonly string[], io: Io) => Promise<number>
}

/** Exit codes: the answer is yes, the answer is no, or the question could not be read. */
export const EXIT = { ok: 0, no: 1, usage: 2 } as const

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

interface Options {
  readonly [name: string]: 'flag' | 'text'
}

type OptionValues<O extends Options> = {
  readonly [name in keyof O]: O[name] extends 'flag' ? boolean : string | undefined
}

export interface Arguments<O extends Options> {
  readonly values: OptionValues<O>
  readonly positionals: readonly string[]
  /** The arguments after `--`. */
  readonly rest: readonly string[] | undefined
}

export function readArguments<const O extends Options>(args: readonly string[], options: O): Arguments<O> {
  const cut = args.indexOf('--')
  const [own, rest] = cut < 0 ? [args, undefined] : [args.slice(0, cut), args.slice(cut + 1)]
  const config = Object.fromEntries(
    Object.entries(options).map(([name, kind]) => [
      name,
      kind === 'flag' ? { type: 'boolean' as const, default: false } : { type: 'string' as const },
    ]),
  )
  try {
    const { values, positionals } = parseArgs({ args: [...own], options: config, allowPositionals: true, strict: true })
    // parseArgs returns the type that `config` gives for each option, but TypeScript loses it in fromEntries.
    return { values: values as OptionValues<O>, positionals, rest }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new UsageError(usageText(error.message, Object.keys(options)), { cause: error })
  }
}

function usageText(message: string, known: readonly string[]): string {
  const name = /^Unknown option '(-[^']*)'/.exec(message)?.[1]
  if (name === undefined) return message
  const near = nearest(name.replace(/^-+/, ''), known)
  return `there is no option ${name}${near === undefined ? '' : `. Did you mean --${near}?`}`
}
