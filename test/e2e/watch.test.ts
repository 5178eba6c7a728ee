/** Watch mode: re-runs, with the manifest's disk as it is by then, and a clean end. */
import { expect, test } from 'vitest'
import { carrying, project, start, vitestMajor } from './run-vitest.js'

/** 'Waiting', or after a failure 'Watching'. */
const IDLE = /Wa(?:it|tch)ing for file changes/

test('runs again what a change concerns, and leaves nothing behind', async () => {
  using at = project('e2e-watch')
  using vitest = start(at, ['--watch'])
  await vitest.printed(IDLE)
  expect(vitest.output()).toContain('VALUE first one')

  at.write('src/value.mjs', "export const value = 'second'\n")
  await vitest.printed('VALUE second one')
  await vitest.printed(IDLE, 2)
  expect(vitest.output().split('OTHER')).toHaveLength(2)

  at.write('test/value.test.mjs', at.read('test/value.test.mjs').replace("'data/one.txt'", "'src/value.mjs'"))
  await vitest.printed("read: ['src/value.mjs']")
  await vitest.printed(IDLE, 3)

  at.write('test/value.test.mjs', at.read('test/value.test.mjs').replace("'src/value.mjs'", "'data/one.txt'"))
  await vitest.printed('VALUE second one', 2)
  await vitest.printed(IDLE, 4)
  // Vitest does not wait for the last worker's end before it says that it waits.
  const workers = (): string[] => carrying(vitest.mark).filter((line) => line.includes('child.cjs'))
  // Vitest 3 keeps workers ready.
  if (vitestMajor > 3) await expect.poll(workers, { interval: 5 }).toEqual([])

  vitest.child.kill('SIGTERM')
  const ended = await vitest.finished
  expect(ended.leftovers).toEqual({ processes: [], tmp: [] })
})

test('a change of the manifest file counts at once', async () => {
  using at = project('e2e-watch')
  at.write('vitest.config.mjs', at.read('vitest.config.mjs').replace("{ read: ['data/'] }", "'./m.json'"))
  at.write('m.json', '{}')
  using vitest = start(at, ['--watch'])
  await vitest.printed("read: ['data/one.txt']")
  await vitest.printed(IDLE)
  at.write('m.json', '{ "manifest": { "read": ["data/"] } }')
  await vitest.printed('VALUE first one')
  vitest.child.kill('SIGTERM')
  await vitest.finished
})
