/** Coverage, DOM environments. */
import { expect, test } from 'vitest'
import { project, run, vitestMajor } from './run-vitest.js'

test('v8 coverage has the numbers of the stock pool', async () => {
  using at = project('e2e-coverage')
  const measure = async (env: Readonly<Record<string, string>>): Promise<unknown> => {
    const report = await run(at, ['--coverage'], { env })
    expect(report).toMatchObject({ code: 0, leftovers: { processes: [], tmp: [] } })
    return JSON.parse(at.read('coverage/coverage-summary.json'))
  }
  const ours = await measure({})
  expect(ours).toMatchObject({
    total: { statements: { total: vitestMajor === 3 ? 9 : 8, covered: expect.any(Number) } },
  })
  expect(ours).toEqual(await measure({ E2E_STOCK: 'yes' }))
})

test('jsdom and happy-dom load without a violation', async () => {
  using at = project('e2e-dom')
  const report = await run(at)
  expect(report).toMatchObject({ code: 0, json: { success: true }, leftovers: { processes: [], tmp: [] } })
  expect(report.json.testResults).toHaveLength(2)
})
