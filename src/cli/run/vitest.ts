/**
 * Starts Vitest as its own command line does, in a process that is itself confined:
 * packages/vitest/src/node/cli/cac.ts, `start`. If the config does not name this pool, its projects run in it all the
 * same.
 */
import { parseCLI, startVitest, version, type Vitest } from 'vitest/node'
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

function takeOver({ projects }: Vitest): void {
  if (!keepsPools && projects.every((project) => makerOf(project) === undefined))
    takeOverAll(projects, poolByName(manifest === undefined ? {} : { manifest }))
}

const known = new WeakSet<Vitest>()

/**
 * Puts projects into the pool before the tests of each start, because Vitest makes new projects when a config changes.
 */
function takeOverBefore(vitest: Vitest): void {
  if (known.has(vitest)) return
  known.add(vitest)
  for (const name of ['start', 'init', 'collect'] as const) {
    const own: unknown = Reflect.get(vitest, name)
    if (typeof own !== 'function') continue
    Reflect.set(vitest, name, (...given: unknown[]): unknown => {
      takeOver(vitest)
      return Reflect.apply(own, vitest, given)
    })
  }
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
  name: 'vitest-seccomp:run',
  config: withOwnCache,
  configureVitest: ({ vitest }: { readonly vitest: Vitest }) => takeOverBefore(vitest),
}

try {
  const vitest = await startVitest(
    args[0] === 'bench' ? 'benchmark' : 'test',
    filter,
    { ...NO_PAGE, ...options, ...(exclude === undefined ? {} : { cliExclude: [exclude].flat() }) },
    { plugins: [plugin] },
  )
  if (!vitest.shouldKeepServer()) await vitest.exit()
} catch (error) {
  console.error('\nStartup Error')
  console.error(error)
  process.exitCode ??= 1
  process.exit()
}
