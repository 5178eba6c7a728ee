/** Compares the rows of methods with the running Vitest, before it runs anything. */
import { createMethodsRPC, version, viteVersion, type TestProject } from 'vitest/node'
import { OldViteError, OldVitestError } from '../../errors.js'
import { refuseOldNode } from '../../project/node-version.js'
import { adapterFor, TESTED } from '../versions/index.js'
import { UnknownMethodError } from './errors.js'
import { methodOf } from './methods.js'

/** Throws an UnknownMethodError for a method without a check. Returns a note about the version, if there is one. */
export function checkMethods(methods: readonly string[], running: string): string | undefined {
  const known = adapterFor(running).methods
  const unknown = methods.filter((name) => methodOf(name, known) === undefined)
  if (unknown.length > 0) throw new UnknownMethodError(unknown, running, TESTED)
  const [major = '', minor = ''] = running.split('.')
  const isTested = TESTED.some((tested) => tested === `${major}.${minor}`)
  return isTested
    ? undefined
    : `vitest-pool-seccomp is tested with Vitest ${TESTED.join(', ')}, and this is ${running}.`
}

/**
 * Versions older than those that package.json accepts. Package managers warn about them, but install them all the same.
 */
export const OLDER = /^(?:[0-2]\.|3\.[01]\.|4\.0\.)/

const told = new WeakSet<object>()

/** Refuses old versions, as early as possible: later, missing features would cause unclear errors. */
export function refuseOld(): void {
  refuseOldNode()
  if (OLDER.test(version)) throw new OldVitestError(version)
}

export function checkVitest(project: TestProject): void {
  refuseOld()
  if (!('environments' in project.vite)) throw new OldViteError(viteVersion)
  const note = checkMethods(Object.keys(createMethodsRPC(project, { cacheFs: false })), version)
  if (note === undefined || told.has(project.vitest)) return
  told.add(project.vitest)
  project.vitest.logger.warn(note)
}
