/** `poolOptions.seccomp`: the pool's options, and those that Vitest 3 has for its own pool `forks`. */
import { availableParallelism, totalmem } from 'node:os'
import type { TestProject } from 'vitest/node'
import { ManifestError, type ManifestProblem } from '../../errors.js'
import type { ParsedOptions, PoolOptions } from '../../policy/manifest.js'
import { showValue } from '../../policy/nearest.js'
import { parseOptions } from '../../policy/schema.js'
import { isFields } from '../gate/values.js'
import { config3, type Config3 } from './api.js'

/**
 * The options of the plugin. Those that are not in `PoolOptions` are for Vitest 3 only, where they mean the same as for
 * `forks`.
 */
export interface SeccompOptions extends PoolOptions {
  /** Accepted, but without effect: no worker is kept ready between runs. */
  readonly minForks?: number
  /** The most workers at a time. Default: the number of processors less one, in watch mode half of them. */
  readonly maxForks?: number
  /** Runs each test file in a process of its own. Default: true. */
  readonly isolate?: boolean
  /** Runs every test file of the project in one process, with `isolate: false`; otherwise one after the other. */
  readonly singleFork?: boolean
  /** Arguments for Node. */
  readonly execArgv?: readonly string[]
  /**
   * With `isolate: false`: a worker that uses more memory than this is replaced. Bytes, `'512MB'`, or `'50%'` of the
   * machine's memory.
   */
  readonly memoryLimit?: number | string
}

export interface Scheduling {
  readonly min: number
  readonly max: number
  readonly isolate: boolean
  readonly execArgv: readonly string[]
  /** Bytes. */
  readonly memoryLimit?: number
}

interface Rule {
  readonly expected: string
  readonly holds: (value: unknown) => boolean
  readonly example: string
}

const COUNT: Rule = {
  expected: 'a whole number of at least 1',
  holds: (value) => Number.isInteger(value) && Number(value) >= 1,
  example: '4',
}
const FLAG: Rule = { expected: 'true or false', holds: (value) => typeof value === 'boolean', example: 'true' }

const RULES: { readonly [key: string]: Rule } = {
  minForks: COUNT,
  maxForks: COUNT,
  isolate: FLAG,
  singleFork: FLAG,
  execArgv: {
    expected: 'an array of strings',
    example: "['--expose-gc']",
    holds: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  },
  memoryLimit: {
    expected: "a number of bytes, or a string such as '512MB' or '50%'",
    example: "'512MB'",
    holds: (value) => (typeof value === 'number' || typeof value === 'string') && bytesOf(value) !== undefined,
  },
}

/** Parses the options. Throws one ManifestError for every mistake, including those of the manifest. */
export function parsePoolOptions(given: unknown): {
  readonly options: ParsedOptions
  readonly own: SeccompOptions
} {
  const entries = isFields(given) ? Object.entries(given) : []
  const own = entries.filter(([key, value]) => Object.hasOwn(RULES, key) && value !== undefined)
  const rest = isFields(given) ? Object.fromEntries(entries.filter(([key]) => !Object.hasOwn(RULES, key))) : given
  const problems = own.flatMap(([key, value]): ManifestProblem[] => {
    const rule = RULES[key]
    if (rule === undefined || rule.holds(value)) return []
    return [{ at: key, expected: rule.expected, found: showValue(value), suggestion: `${key}: ${rule.example}` }]
  })
  let options: ParsedOptions | undefined
  try {
    options = parseOptions(rest)
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error
    problems.push(...error.problems)
  }
  if (options === undefined || problems.length > 0) throw new ManifestError(problems)
  return { options, own: Object.fromEntries(own) }
}

/** The pool options of a project, or those of the root if it has none, as Vitest does for its own pools. */
export function poolOptionsOf(project: TestProject): ReturnType<typeof parsePoolOptions> {
  return parsePoolOptions(config3(project).poolOptions?.seccomp ?? config3(project.vitest).poolOptions?.seccomp)
}

/**
 * The scheduling that createForksPool of packages/vitest/src/node/pools/forks.ts derives from its options and the
 * root's config.
 */
export function schedulingOf(own: SeccompOptions, config: Config3, env: NodeJS.ProcessEnv): Scheduling {
  const processors = availableParallelism()
  const usual = Math.max(config.watch ? Math.floor(processors / 2) : processors - 1, 1)
  const most = own.maxForks ?? whole(env.VITEST_MAX_FORKS) ?? config.maxWorkers ?? usual
  const least = own.minForks ?? whole(env.VITEST_MIN_FORKS) ?? config.minWorkers ?? Math.min(usual, most)
  const isSingle = own.singleFork === true || !config.fileParallelism
  const limit = own.memoryLimit === undefined ? undefined : bytesOf(own.memoryLimit)
  return {
    min: isSingle ? 1 : Math.min(least, most),
    max: isSingle ? 1 : most,
    isolate: own.isolate ?? config.isolate ?? true,
    execArgv: own.execArgv ?? [],
    ...(limit === undefined ? {} : { memoryLimit: limit }),
  }
}

function whole(text: string | undefined): number | undefined {
  const number = Number.parseInt(text ?? '', 10)
  return number >= 1 ? number : undefined
}

const UNITS: { readonly [unit: string]: number } = {
  '': 1,
  '%': totalmem() / 100,
  k: 1e3,
  kb: 1e3,
  kib: 2 ** 10,
  m: 1e6,
  mb: 1e6,
  mib: 2 ** 20,
  g: 1e9,
  gb: 1e9,
  gib: 2 ** 30,
}

/**
 * A memory limit in bytes: packages/vitest/src/utils/memory-limit.ts. A number up to 1 is a fraction of the machine's
 * memory.
 */
function bytesOf(given: number | string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z%]*)$/i.exec(String(given)) ?? []
  const [amount, factor] = [Number(digits), UNITS[unit.toLowerCase()]]
  if (digits === '' || amount <= 0 || factor === undefined) return undefined
  return Math.floor(unit === '' && amount <= 1 ? amount * totalmem() : amount * factor)
}
