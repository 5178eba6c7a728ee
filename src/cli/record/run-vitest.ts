/** Runs Vitest as its own command line does, in our pool, for a config that does not name it. Started by `record`. */
import { parseCLI, startVitest } from 'vitest/node'
import { poolByName } from '../../vitest/pool.js'
import { MANIFEST } from '../../vitest/recording.js'

const {
  filter,
  options: { exclude, ...options },
} = parseCLI(['vitest', ...process.argv.slice(2)])
const excluded = exclude === undefined ? {} : { cliExclude: [exclude].flat() }
const manifest = process.env[MANIFEST]
// Vitest takes the pool itself as well as a name; its type for the command line knows names only.
const { pool, ...more } = poolByName(manifest === undefined ? {} : { manifest }) as { pool: string }
const vitest = await startVitest('test', filter, { ...options, ...excluded, ...more, pool })
if (!vitest.shouldKeepServer()) await vitest.exit()
