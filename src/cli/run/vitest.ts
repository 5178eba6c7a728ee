/**
 * Vitest as its own command line starts it, in a process that is confined itself: packages/vitest/src/node/cli/cac.ts, `start`. Where
 * the config names no pool of ours, its projects run in it all the same.
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

/** Before the tests of each start: when a config changes, the projects are made anew. */
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
 * Vitest 5 moves a cache of modules away before it removes it, to a new name beside it. A directory is moved only within a tree that
 * is granted whole, so the cache lies in one, where the config says nothing else.
 */
const CACHE = 'node_modules/.vitest/modules'

interface CacheOptions {
  readonly test?: { readonly fsModuleCachePath?: string }
}

const plugin = {
  name: 'vitest-seccomp:run',
  config: ({ test }: CacheOptions): CacheOptions =>
    Number.parseInt(version, 10) < 5 || test?.fsModuleCachePath !== undefined
      ? {}
      : { test: { fsModuleCachePath: CACHE } },
  configureVitest: ({ vitest }: { readonly vitest: Vitest }) => takeOverBefore(vitest),
}

try {
  const vitest = await startVitest(
    args[0] === 'bench' ? 'benchmark' : 'test',
    filter,
    { ...options, ...(exclude === undefined ? {} : { cliExclude: [exclude].flat() }) },
    { plugins: [plugin] },
  )
  if (!vitest.shouldKeepServer()) await vitest.exit()
} catch (error) {
  console.error('\nStartup Error')
  console.error(error)
  process.exitCode ??= 1
  process.exit()
}
