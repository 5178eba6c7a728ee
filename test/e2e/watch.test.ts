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

test('what was installed or edited between runs is seen, whichever way it is loaded', async () => {
  using at = project('e2e-watch')
  const installed = (path: string, text: string): void => at.write(`node_modules/${path}`, text)
  installed('kept/package.json', '{ "name": "kept", "main": "index.cjs" }')
  installed('kept/index.cjs', "module.exports = 'kept 1'\n")
  installed('esm/package.json', '{ "name": "esm", "type": "module", "exports": "./index.js" }')
  installed('esm/index.js', "export default 'esm 1'\n")
  at.write(
    'test/value.test.mjs',
    [
      "import { createRequire } from 'node:module'",
      "import { readFileSync } from 'node:fs'",
      "import { test } from 'vitest'",
      "import esm from 'esm'",
      "import kept from 'kept'",
      "import { value } from '../src/value.mjs'",
      'const require = createRequire(import.meta.url)',
      "test('says what it loaded', () => {",
      '  let later',
      "  try { later = require('later') } catch (error) { later = error.code }",
      "  const text = readFileSync(require.resolve('kept'), 'utf8').trim()",
      "  console.log('LOADED', value, esm, kept, later, text)",
      '})',
      '',
    ].join('\n'),
  )
  using vitest = start(at, ['--watch'])
  await vitest.printed("LOADED first esm 1 kept 1 MODULE_NOT_FOUND module.exports = 'kept 1'")
  await vitest.printed(IDLE)

  installed('kept/index.cjs', "module.exports = 'kept 2'\n")
  installed('esm/index.js', "export default 'esm 2'\n")
  installed('later/index.js', "module.exports = 'later'\n")
  at.write('src/value.mjs', "export const value = 'second'\n")
  await vitest.printed("LOADED second esm 2 kept 2 later module.exports = 'kept 2'")
  await vitest.printed(IDLE, 2)
  vitest.child.kill('SIGTERM')
  await vitest.finished
})
