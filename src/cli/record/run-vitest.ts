/** Runs Vitest as its own command line does, in our pool, for a config that does not name it. Started by `record`. */
import { createVitest, parseCLI } from 'vitest/node'
import { preparedEnvironment } from '../../vitest/open-project.js'
import { poolByName, takeOverAll } from '../../vitest/pool.js'
import { MANIFEST } from '../../vitest/recording.js'

const {
  filter,
  options: { exclude, ...options },
} = parseCLI(['vitest', ...process.argv.slice(2)])
const excluded = exclude === undefined ? {} : { cliExclude: [exclude].flat() }
const manifest = process.env[MANIFEST]
preparedEnvironment()
const vitest = await createVitest('test', { ...options, ...excluded, watch: false })
// Not on the command line: what a config says of `pool` itself would be merged into it.
takeOverAll(vitest.projects, poolByName(manifest === undefined ? {} : { manifest }))
try {
  await vitest.start(filter)
} catch (error) {
  process.exitCode = 1
  // Vitest has told of it.
  if (!(error instanceof Error && 'code' in error && error.code === 'VITEST_FILES_NOT_FOUND'))
    vitest.logger.error(error)
} finally {
  await vitest.exit()
}
