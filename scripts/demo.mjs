/** `npm run demo`: the project in fixtures/projects/demo under the pool, and a word on what is seen. */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')

console.log(`The demo: fixtures/projects/demo
  test/order.test.mjs   reads a fixture that the manifest grants, and writes to a temporary directory of its own: passes
  test/snoop.test.mjs   looks for credentials in the home directory and swallows every error: is caught all the same
`)
const { status } = spawnSync(process.execPath, [vitest, 'run'], {
  cwd: join(root, 'fixtures/projects/demo'),
  stdio: 'inherit',
})
if (status !== 1) {
  console.error(
    `\nThe snooping test should have failed its file, and nothing else should have: Vitest ended with ${status}.`,
  )
  process.exit(1)
}
console.log('\nAs it should be: the snooping test failed, although its own code hid what it tried. That is the demo.')
