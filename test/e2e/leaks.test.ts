/** Many files, one after the other: Vitest's own process holds no more at the end than after the first few. */
import { expect, test } from 'vitest'
import { project, run } from './run-vitest.js'

const FILES = 50
const SOURCE = "import { test } from 'vitest'\nimport { use } from '../body.mjs'\n\ntest('uses files', use)\n"

test(`${FILES} files leave no descriptor, thread, process or directory behind`, async () => {
  using at = project('e2e-many')
  for (let n = 0; n < FILES; n++) at.write(`test/file-${n}.test.mjs`, SOURCE)
  const report = await run(at, ['--reporter=./counting-reporter.mjs'])
  expect(report.json.testResults.filter(({ status }) => status === 'passed')).toHaveLength(FILES)
  const held = [...report.out.matchAll(/HELD (\d+) descriptors (\d+) threads/g)].map(([, fds, threads]) => ({
    fds: Number(fds),
    threads: Number(threads),
  }))
  expect(held).toHaveLength(FILES)
  const least = (part: typeof held, key: 'fds' | 'threads'): number => Math.min(...part.map((each) => each[key]))
  // A broker thread more, where workers end more slowly than others begin, holds some ten. A leak would be one a file.
  expect(least(held.slice(-15), 'fds')).toBeLessThan(least(held.slice(5, 20), 'fds') + 20)
  expect(least(held.slice(-15), 'threads')).toBeLessThanOrEqual(least(held.slice(5, 20), 'threads') + 2)
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
})
