/** Runs the tests with everything allowed, and reads their recordings. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { quote } from '../../policy/nearest.js'
import { openRun } from '../../vitest/open-project.js'
import { canTakeOver } from '../../vitest/pool.js'
import { COUNTS, DENY, MANIFEST, RECORD, type Counts, type Recording } from '../../vitest/recording.js'
import { UsageError } from '../command.js'
import { dist } from '../dist.js'

interface Observed {
  /** The exit code of the command. */
  readonly code: number
  readonly recordings: readonly Recording[]
  /** True if the config does not name this pool, so that the run was put into it once. */
  readonly poolAdded: boolean
  /** Projects that ran in another pool and were not recorded. */
  readonly leftOut: readonly LeftOut[]
}

export interface LeftOut {
  readonly project: string
  readonly pool: string
}

interface ObserveOptions {
  /** For a config without the pool: the manifest file whose grants apply. */
  readonly manifest: string
  readonly counts: Counts
  /** Entries of `deny` to try. The output of the command is then not shown. */
  readonly deny?: readonly string[]
}

export async function observe(
  command: readonly string[],
  { manifest, counts, deny }: ObserveOptions,
): Promise<Observed> {
  const dir = mkdtempSync(join(tmpdir(), 'seccomp-record-'))
  // Loading a config changes the environment.
  const environment = { ...process.env }
  try {
    const args = vitestArguments(command)
    // Set here as well, because the manifest file need not exist yet when the config is read.
    process.env[RECORD] = dir
    const opened = args === undefined ? undefined : await projectsOf(args)
    const poolAdded = opened?.isNamed === false
    const runner = join(dist, 'cli/record/run-vitest.js')
    const started = args !== undefined && poolAdded ? [process.execPath, runner, ...args] : command
    const env = { [RECORD]: dir, [COUNTS]: counts, [MANIFEST]: manifest }
    const code = await run(
      started,
      { ...environment, ...env, ...(deny === undefined ? {} : { [DENY]: JSON.stringify(deny) }) },
      deny === undefined ? 'inherit' : 'ignore',
    )
    const recordings = readdirSync(dir)
      .sort()
      .map((name): Recording => JSON.parse(readFileSync(join(dir, name), 'utf8')))
    return { code, recordings, poolAdded, leftOut: opened?.leftOut ?? [] }
  } finally {
    delete process.env[RECORD]
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The arguments of a command that is Vitest itself; undefined for any other command, such as `npm test`. */
export function vitestArguments(command: readonly string[]): readonly string[] | undefined {
  const [first = '', ...args] = withoutLauncher(command)
  return /^vitest(?:\.mjs)?$/.test(basename(first)) ? args : undefined
}

/** Removes `node`, `npx`, `pnpm exec` and the like from the front. */
function withoutLauncher([first = '', ...rest]: readonly string[]): readonly string[] {
  if (!['node', 'npx', 'pnpx', 'bunx', 'pnpm', 'yarn'].includes(basename(first))) return [first, ...rest]
  return rest[0] === 'exec' ? rest.slice(1) : rest
}

async function projectsOf(
  args: readonly string[],
): Promise<{ readonly isNamed: boolean; readonly leftOut: readonly LeftOut[] }> {
  await using opened = await openRun(args)
  const isNamed = opened.projects.some(({ policy }) => policy !== undefined)
  const others = opened.projects.filter(
    ({ policy, project }) => policy === undefined && (isNamed || !canTakeOver(project)),
  )
  return {
    isNamed,
    leftOut: others.map(({ project: { name, config } }) => ({
      project: name,
      pool: config.browser.enabled ? 'browser' : config.pool,
    })),
  }
}

function run(
  [program = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  stdio: 'inherit' | 'ignore',
): Promise<number> {
  // Found as npx finds it, but without changing the environment, because tests see it.
  const own = program.includes('/')
    ? undefined
    : ancestors(process.cwd())
        .map((dir) => join(dir, 'node_modules/.bin', program))
        .find((path) => existsSync(path))
  return new Promise((resolve, reject) => {
    const child = spawn(own ?? program, args, { stdio, env })
    child.once('error', ({ message }) => reject(new UsageError(`${quote(program)} cannot be started: ${message}`)))
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}

function ancestors(dir: string): string[] {
  const parent = dirname(dir)
  return parent === dir ? [dir] : [dir, ...ancestors(parent)]
}
