/** Compares RPC_METHODS with the Vitest that runs, before it runs anything. */
import { createMethodsRPC, version, viteVersion, type TestProject } from 'vitest/node'
import { OldViteError } from '../../errors.js'
import { UnknownMethodError } from './errors.js'
import { methodOf, methodsOf, TESTED } from './methods.js'

/** Throws an UnknownMethodError for a method that nothing here checks; returns what is to be said about the version. */
export function checkMethods(methods: readonly string[], running: string): string | undefined {
  const known = methodsOf(running)
  const unknown = methods.filter((name) => methodOf(name, known) === undefined)
  if (unknown.length > 0) throw new UnknownMethodError(unknown, running, TESTED)
  const [major = '', minor = ''] = running.split('.')
  const isTested = TESTED.some((tested) => tested === `${major}.${minor}`)
  return isTested
    ? undefined
    : `vitest-pool-seccomp is tested with Vitest ${TESTED.join(', ')}, and this is ${running}.`
}

const told = new WeakSet<object>()

export function checkVitest(project: TestProject): void {
  if (!('environments' in project.vite)) throw new OldViteError(viteVersion)
  const note = checkMethods(Object.keys(createMethodsRPC(project, { cacheFs: false })), version)
  if (note === undefined || told.has(project.vitest)) return
  told.add(project.vitest)
  project.vitest.logger.warn(note)
}
