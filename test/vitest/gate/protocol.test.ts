/** Messages that no worker of Vitest's sends: they end that worker, with a clear error, and never the run. */
import { expect, test } from 'vitest'
import { fileOf } from '../../e2e/json-report.js'
import { project, run, vitestMajor } from '../../e2e/run-vitest.js'

test.each([
  ['null', 'a message that is null'],
  ['text', 'a message that is not a plain object'],
  ['nothing', 'neither a call, nor an answer, nor a response'],
  ['number', 'a call whose method is no name'],
  ['badId', 'whose id is not a short string'],
  ['field', 'the unknown field "z"'],
  ['answer', 'an answer to a request that nobody made'],
  ['started', "'started', which nothing asked for"],
  ['unknown', 'a response of an unknown type'],
  ['arguments', `fetch's ${vitestMajor === 3 ? 'id' : 'url'} is of type number, not a string`],
  ['deep', 'levels deep'],
  ['holes', 'a response with more than'],
  ['large', 'a call of resolveSnapshotPath with more than'],
  ['garbage', 'not structured-clone data'],
  ['endless', 'a message of 4294967295 bytes'],
])('%s', async (name, error) => {
  using at = project('gate-protocol')
  const report = await run(at, ['say', 'innocent'], { env: { SAY: name } })
  expect(report.code).toBe(1)
  expect(report.out).toContain(error)
  expect(fileOf(report.json, 'innocent.test.mjs').status).toBe('passed')
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
})

test('a worker cannot say twice that it is through', async () => {
  using at = project('gate-protocol')
  const report = await run(at, ['twice', 'innocent'], { env: { SAY: 'early' } })
  expect(report.code).toBe(1)
  expect(fileOf(report.json, 'innocent.test.mjs').status).toBe('passed')
})
