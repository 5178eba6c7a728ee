/** Runs the tests with everything allowed, and reads what they left behind about it. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { quote } from '../../policy/nearest.js'
import { openRun } from '../../vitest/open-project.js'
import { COUNTS, MANIFEST, RECORD, type Counts, type Recording } from '../../vitest/recording.js'
import { UsageError } from '../command.js'
import { dist } from '../dist.js'

interface Observed {
  /** The command's own. */
  readonly code: number
  readonly recordings: readonly Recording[]
  /** The config names no pool of ours: the run was put into it for this once. */
  readonly poolAdded: boolean
}

interface ObserveOptions {
  /** For a config without the pool: the file whose grants count as given. */
  readonly manifest: string
  readonly counts: Counts
}

export async function observe(command: readonly string[], { manifest, counts }: ObserveOptions): Promise<Observed> {
  const dir = mkdtempSync(join(tmpdir(), 'seccomp-record-'))
  try {
    const args = vitestArguments(command)
    // Read here as well: a manifest file need not be there yet.
    process.env[RECORD] = dir
    const poolAdded = args !== undefined && !(await namesPool(args))
    const runner = join(dist, 'cli/record/run-vitest.js')
    const started = poolAdded ? [process.execPath, runner, ...args] : command
    const code = await run(started, { [RECORD]: dir, [COUNTS]: counts, [MANIFEST]: manifest })
    const recordings = readdirSync(dir)
      .sort()
      .map((name): Recording => JSON.parse(readFileSync(join(dir, name), 'utf8')))
    return { code, recordings, poolAdded }
  } finally {
    delete process.env[RECORD]
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The arguments of a command that is Vitest itself; undefined for any other, such as `npm test`. */
export function vitestArguments(command: readonly string[]): readonly string[] | undefined {
  const [first = '', ...args] = withoutLauncher(command)
  return /^vitest(?:\.mjs)?$/.test(basename(first)) ? args : undefined
}

/** `node`, `npx`, `pnpm exec` and the like. */
function withoutLauncher([first = '', ...rest]: readonly string[]): readonly string[] {
  if (!['node', 'npx', 'pnpx', 'bunx', 'pnpm', 'yarn'].includes(basename(first))) return [first, ...rest]
  return rest[0] === 'exec' ? rest.slice(1) : rest
}

async function namesPool(args: readonly string[]): Promise<boolean> {
  await using opened = await openRun(args)
  return opened.projects.some(({ policy }) => policy !== undefined)
}

function run([program = '', ...args]: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  // As npx finds it; the environment stays what it is, because tests see it.
  const own = program.includes('/')
    ? undefined
    : ancestors(process.cwd())
        .map((dir) => join(dir, 'node_modules/.bin', program))
        .find((path) => existsSync(path))
  return new Promise((resolve, reject) => {
    const child = spawn(own ?? program, args, { stdio: 'inherit', env: { ...process.env, ...env } })
    child.once('error', ({ message }) => reject(new UsageError(`${quote(program)} cannot be started: ${message}`)))
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}

function ancestors(dir: string): string[] {
  const parent = dirname(dir)
  return parent === dir ? [dir] : [dir, ...ancestors(parent)]
}
