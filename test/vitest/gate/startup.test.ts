/** The table against the Vitest that runs. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createMethodsRPC, version, type TestProject } from 'vitest/node'
import { UnknownMethodError } from '../../../src/vitest/gate/errors.js'
import { methodOf, RPC_METHODS, TESTED } from '../../../src/vitest/gate/methods.js'
import { checkMethods } from '../../../src/vitest/gate/startup.js'

test('there is a row for each method of the Vitest that is installed, and for no other of its version', () => {
  // As much of a project as the function looks at before it returns its methods.
  const project = { name: '', config: {}, vitest: { state: { metadata: {} } } } as unknown as TestProject
  const methods = Object.keys(createMethodsRPC(project))
  const minor = version.split('.').slice(0, 2).join('.')
  const expected = Object.keys(RPC_METHODS).filter((name) => RPC_METHODS[name]?.in.some((tested) => tested === minor))
  expect(methods.sort()).toEqual(expected.sort())
  expect(checkMethods(methods, version)).toBeUndefined()
})

test('a method without a row stops the start, and is named with the version', () => {
  expect(() => checkMethods(['fetch', 'readAnything'], '5.2.0')).toThrow(UnknownMethodError)
  expect(() => checkMethods(['fetch', 'readAnything'], '5.2.0')).toThrow(
    /Vitest 5\.2\.0 lets workers call .*: readAnything\./,
  )
  expect(() => checkMethods(['constructor'], version)).toThrow(UnknownMethodError)
})

test('a version that was not tested is said to be none of those', () => {
  expect(checkMethods(['fetch'], '5.2.0')).toBe(
    `vitest-pool-seccomp is tested with Vitest ${TESTED.join(', ')}, and this is 5.2.0.`,
  )
  expect(checkMethods(['fetch'], '4.1.12')).toBeUndefined()
})

test('names of Object.prototype have no row', () => {
  for (const name of Object.getOwnPropertyNames(Object.prototype)) expect(methodOf(name)).toBeUndefined()
})

test('the peer range is what the table covers', () => {
  const { peerDependencies }: { peerDependencies: { vitest: string } } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'),
  )
  const majors = new Set(TESTED.map((tested) => tested.split('.')[0]))
  expect(new Set([...peerDependencies.vitest.matchAll(/\^(\d+)/g)].map(([, major]) => major))).toEqual(majors)
})
