/**
 * Starts Vitest as its own command line does, in a process that is itself confined:
 * packages/vitest/src/node/cli/cac.ts, `start`. If the config does not name this pool, its projects run in it all the
 * same.
 */
import { readdirSync } from 'node:fs'
import { createVitest, parseCLI, startVitest, version, type TestProject, type Vitest } from 'vitest/node'
import { makerOf } from '../../vitest/open-project.js'
import { poolByName, takeOverAll } from '../../vitest/pool.js'
import { RUN_KEEP_POOLS, RUN_MANIFEST } from './arguments.js'

const args = process.argv.slice(2)
const manifest = process.env[RUN_MANIFEST]
delete process.env[RUN_MANIFEST]
const keepsPools = process.env[RUN_KEEP_POOLS] !== undefined
delete process.env[RUN_KEEP_POOLS]
const {
  filter,
  options: { exclude, ...options },
} = parseCLI(['vitest', ...args])

/** Puts the projects of other pools into this one. Throws an UnconfinedError for those that cannot run in it. */
function takeOver({ projects }: Vitest): void {
  if (keepsPools) return
  const isOther = (project: TestProject): boolean => makerOf(project) === undefined
  takeOverAll(projects.filter(isOther), poolByName(manifest === undefined ? {} : { manifest }))
  // The tests of browser mode run in the browser, and type tests do not run.
  const left = projects.filter(
    (project) => isOther(project) && !project.config.browser.enabled && !project.config.typecheck.only,
  )
  if (left.length > 0) throw new UnconfinedError(left)
}

class UnconfinedError extends Error {
  override readonly name = 'UnconfinedError'
  constructor(projects: readonly TestProject[]) {
    const named = projects.map(({ name, config: { pool } }) => `${name || 'the project'} in ${String(pool)}`)
    super(
      `vitest-seccomp run: tests would get what Vitest itself may use, and not what the manifest file gives tests: ${named.join(', ')}. ` +
        'Expected: the pools forks, threads and this one. Write: pool: "forks", or run with --keep-pools, which leaves it so',
    )
  }
}

const PLUGIN = 'vitest-seccomp:run'

const known = new WeakSet<object>()

/**
 * Puts projects into the pool before the tests of each start, because Vitest makes new projects when a config changes.
 * `vitest`: the instance, or what all instances inherit from.
 */
function takeOverBefore(vitest: object): void {
  if (known.has(vitest)) return
  known.add(vitest)
  for (const name of ['start', 'init', 'collect'] as const) {
    const own: unknown = Reflect.get(vitest, name)
    if (typeof own !== 'function') continue
    Reflect.set(vitest, name, function (this: Vitest, ...given: unknown[]): unknown {
      takeOver(this)
      return Reflect.apply(own, this, given)
    })
  }
}

/**
 * Reaches the instance by its class. Vitest passes the instance to the plugins of its projects, and a config with
 * `projects` is itself no project. The class is not exported, and an instance without a config is made in some 50 ms.
 */
async function takeOverEach(root: string): Promise<void> {
  const cache = { name: PLUGIN, config: withOwnCache }
  const other = await createVitest('test', { root, config: false, watch: false, api: false }, { plugins: [cache] })
  takeOverBefore(Object.getPrototypeOf(other))
  await other.close()
}

/** Vitest 3 also reads projects from files of these names. */
const WORKSPACE = /^vitest\.(?:workspace|projects)\./

interface ResolvedOptions {
  readonly root: string
  readonly test?: { readonly projects?: unknown; readonly workspace?: unknown }
}

function hasProjects({ root, test = {} }: ResolvedOptions): boolean {
  if (test.projects !== undefined || test.workspace !== undefined || 'workspace' in options) return true
  return MAJOR < 4 && readdirSync(root).some((name) => WORKSPACE.test(name))
}

/**
 * The directory of Vitest's module cache, unless the config names another. A run without the command has a cache of its
 * own: it would run what is in this one, `globalSetup` in Vitest's unconfined process. Vitest 5 renames the cache to a
 * new name beside it before it removes it, and a directory may be moved only within a tree that is granted as a whole.
 */
const CACHE = { fsModuleCachePath: 'node_modules/.vitest/modules' }

interface CacheOptions {
  readonly test?: Partial<typeof CACHE> & { readonly experimental?: Partial<typeof CACHE> }
}

const MAJOR = Number.parseInt(version, 10)

function withOwnCache({ test }: CacheOptions): CacheOptions {
  const named = test?.fsModuleCachePath ?? test?.experimental?.fsModuleCachePath
  if (named !== undefined || MAJOR < 4) return {}
  return { test: MAJOR < 5 ? { experimental: CACHE } : CACHE }
}

/** `--ui` opens a page in a browser, which could not run in here, unless the command line says `--open`. */
const NO_PAGE = { open: false }

const plugin = {
  name: PLUGIN,
  config: withOwnCache,
  async configResolved(config: ResolvedOptions) {
    if (!keepsPools && hasProjects(config)) await takeOverEach(config.root)
  },
  configureVitest: ({ vitest }: { readonly vitest: Vitest }) => takeOverBefore(vitest),
}

try {
  const vitest = await startVitest(
    args[0] === 'bench' ? 'benchmark' : 'test',
    filter,
    { ...NO_PAGE, ...options, ...(exclude === undefined ? {} : { cliExclude: [exclude].flat() }) },
    { plugins: [plugin] },
  )
  // Projects that nobody told the plugin of, and nothing that it looks at.
  const isReached = [vitest, Object.getPrototypeOf(vitest)].some((one) => known.has(one))
  if (!keepsPools && !isReached) throw new UnconfinedError(vitest.projects)
  if (!vitest.shouldKeepServer()) await vitest.exit()
} catch (error) {
  console.error('\nStartup Error')
  console.error(error)
  process.exitCode ??= 1
  process.exit()
}
