/** Parses the arguments of `vitest-seccomp run`: its own and Vitest's. Pure. */
import { resolve } from 'node:path'
import { outputOf, type NamedOutput } from './outputs.js'

/**
 * The environment variable that names the manifest file for a config without the pool. A confined Vitest removes it
 * when it begins.
 */
export const RUN_MANIFEST = 'VITEST_SECCOMP_RUN_MANIFEST'

/** The environment variable that leaves projects in their own pools. Removed in the same way. */
export const RUN_KEEP_POOLS = 'VITEST_SECCOMP_RUN_KEEP_POOLS'

export interface RunArguments {
  readonly manifest: string | undefined
  readonly audit: boolean
  readonly record: boolean
  /** With `record`: also writes entries that look dangerous. */
  readonly acceptDangerous: boolean
  /** Projects run in the pools that the config names. */
  readonly keepPools: boolean
  /** The arguments for Vitest, with its command first. */
  readonly vitest: readonly string[]
  /** The value of Vitest's option, relative to the working directory. */
  readonly root: string | undefined
  readonly mode: string
  /** Config files that the command line names, as they are given. */
  readonly configs: readonly string[]
  /** Files and directories that the command line makes Vitest write, as they are given. */
  readonly outputs: readonly NamedOutput[]
  /** Ports on which the command line makes Vitest listen, given or by default, with the option. */
  readonly ports: readonly { readonly option: string; readonly port: number }[]
}

const COMMANDS = new Set(['run', 'watch', 'dev', 'bench', 'related'])

export function readRunArguments(args: readonly string[]): RunArguments {
  let manifest: string | undefined
  let [audit, record, acceptDangerous, keepPools] = [false, false, false, false]
  const rest: string[] = []
  const left = [...args]
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    if (arg === '--') {
      rest.push(arg, ...left)
      break
    }
    if (arg === '--audit') audit = true
    else if (arg === '--record') record = true
    else if (arg === '--keep-pools') keepPools = true
    else if (arg === '--accept-dangerous') acceptDangerous = true
    else if (arg === '--manifest') manifest = left.shift()
    else if (arg.startsWith('--manifest=')) manifest = arg.slice('--manifest='.length)
    else rest.push(arg)
  }
  const [first = ''] = rest
  const watches = rest.some((arg) => /^(?:--watch|-w|--ui)(?:=true)?$/.test(arg))
  const vitest = COMMANDS.has(first) ? rest : [watches ? 'watch' : 'run', ...rest]
  return {
    manifest,
    audit: audit || record,
    record,
    acceptDangerous,
    keepPools,
    vitest,
    root: valueOf(rest, /^(?:--root|-r)$/),
    mode: valueOf(rest, /^--mode$/) ?? 'test',
    configs: [/^(?:--config|-c)$/, /^--workspace$/].flatMap((name) => valueOf(rest, name) ?? []),
    outputs: rest.flatMap((arg, index) => {
      const [, name = '', inline] =
        /^--(outputFile(?:\.[^=]+)?|coverage\.reportsDirectory|attachmentsDir)(?:=(.*))?$/.exec(arg) ?? []
      const value = name === '' ? undefined : (inline ?? rest[index + 1])
      return value === undefined ? [] : [outputOf(name, value)]
    }),
    ports: rest.flatMap((arg, index) => portOf(arg, rest[index + 1])),
  }
}

function valueOf(args: readonly string[], name: RegExp): string | undefined {
  const index = args.findIndex((arg) => name.test(arg.split('=')[0] ?? ''))
  const found = args[index]
  return found === undefined ? undefined : found.includes('=') ? found.slice(found.indexOf('=') + 1) : args[index + 1]
}

/** packages/vitest/src/constants.ts: defaultPort, defaultInspectPort. */
const API = 51204
const INSPECT = 9229

function portOf(arg: string, next: string | undefined): RunArguments['ports'] {
  const [, option = '', inline] = /^--(ui|api|api\.port|inspect|inspect-brk)(?:=(.*))?$/.exec(arg) ?? []
  if (option === '' || inline === 'false') return []
  const given = Number(/(\d+)$/.exec(inline ?? (option === 'ui' ? '' : (next ?? '')))?.[1])
  const port = given > 0 ? given : option.startsWith('inspect') ? INSPECT : API
  return [{ option: `--${option}`, port }]
}

export function rootOf({ root }: Pick<RunArguments, 'root'>, cwd: string): string {
  return root === undefined ? cwd : resolve(cwd, root)
}
