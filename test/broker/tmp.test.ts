import { expect, test } from 'vitest'
import { newTag } from '../../src/broker/process-tag.js'
import { newTmpName, tagIn } from '../../src/broker/tmp.js'

test('a name carries the tag of its broker process', () => {
  const tag = newTag()
  const names = [newTmpName(tag), newTmpName(tag)]
  expect(new Set(names).size).toBe(2)
  expect(names.map(tagIn)).toEqual([tag, tag])
})

test.each([
  newTmpName(undefined),
  'vitest-seccomp-',
  'vitest-seccomp-_',
  // RLIM_INFINITY, which any process has, and other limits that somebody may have set.
  `vitest-seccomp-${(2 ** 64).toString(36)}_x`,
  `vitest-seccomp-${(2 ** 53).toString(36)}_x`,
  `vitest-seccomp-${(2 ** 52 - 1).toString(36)}_x`,
  'vitest-seccomp-0_x',
  'vitest-other-1_x',
])('%s carries none', (name) => {
  expect(tagIn(name)).toBeUndefined()
})
