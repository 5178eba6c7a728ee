/**
 * Runs Vitest as its own command line does, but in this pool, for a config that does not name it. Started by `record`.
 */
import { createVitest, parseCLI } from 'vitest/node'
import { codeOf, isOwnError } from '../../errors.js'
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
try {
  // Not set on the command line, where Vitest would merge it with the config's own `pool`.
  takeOverAll(vitest.projects, poolByName(manifest === undefined ? {} : { manifest }))
  await vitest.start(filter)
} catch (error) {
  process.exitCode = 1
  if (isOwnError(error)) vitest.logger.error(error.message)
  // Vitest has already reported it.
  else if (codeOf(error) !== 'VITEST_FILES_NOT_FOUND') vitest.logger.error(error)
} finally {
  await vitest.exit()
}
