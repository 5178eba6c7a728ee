// node:test on Vitest, as far as the suites use it.
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from 'vitest'

// An import of node:test would come back here.
const { mock } = process.getBuiltinModule('node:test')

// Vitest has no subtests inside a running test: a test that makes some becomes a group.
export function test(name, run) {
  if (/\bt\.test\(/.test(run.toString())) return describe(name, () => run({ test: subtest }))
  return it(name, () => run({ mock }))
}

const subtest = async (name, run) => void test(name, run)

test.skip = it.skip
test.only = it.only

export default test
export { describe, test as it, beforeAll as before, afterAll as after, beforeEach, afterEach }
