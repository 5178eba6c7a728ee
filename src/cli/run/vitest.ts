/**
 * Starts Vitest as its own command line does, in a process that is itself confined:
 * packages/vitest/src/node/cli/cac.ts, `start`. If the config does not name this pool, its projects run in it all the
 * same.
 */
import { parseCLI, startVitest, version, type Vitest } from 'vitest/node'
import { makerOf } from '../../vitest/open-project.js'
import { canTakeOver, poolByName, takeOverAll } from '../../vitest/pool.js'
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

/**
 * Says whose tests ran outside of the pool, and fails the run for it. Vitest tells the plugin below nothing of a config
 * with `projects`, which have plugins of their own: nobody could put these into the pool.
 */
function tellUnconfined({ projects, state }: Vitest): void {
  if (keepsPools || state.getPaths().length === 0 || projects.some((project) => makerOf(project) !== undefined)) return
  const names = projects.filter(canTakeOver).map(({ name }) => name || 'the project')
  if (names.length === 0) return
  console.error(
    ` seccomp  The tests of ${names.join(', ')} got what Vitest itself may use, and not what the manifest file gives tests:` +
      ` in a config with \`projects\`, each has to name the pool (plugins: [seccomp({ manifest: './seccomp.manifest.json' })]). --keep-pools leaves it so`,
  )
  process.exitCode = 1
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
  tellUnconfined(vitest)
  if (!vitest.shouldKeepServer()) await vitest.exit()
} catch (error) {
  console.error('\nStartup Error')
  console.error(error)
  process.exitCode ??= 1
  process.exit()
}
