import { defineConfig } from 'vitest/config'
import { PURE_TESTS } from './test/pure.js'

const { FUZZ_SECONDS, NOT_LINUX } = process.env

function included(): readonly string[] {
  // scripts/fuzz.mjs runs the laws, and nothing else.
  if (FUZZ_SECONDS !== undefined) return ['test/**/*.laws.test.ts']
  return process.platform === 'linux' && NOT_LINUX === undefined ? ['test/**/*.test.ts'] : PURE_TESTS
}

export default defineConfig({
  test: {
    include: [...included()],
    // NOT_LINUX=darwin: the pure tests, as if they ran there.
    setupFiles: NOT_LINUX === undefined ? [] : ['fixtures/targets/not-linux/platform.mjs'],
    pool: 'forks',
    // Vitest leaves one CPU to itself. These files wait for processes of their own most of the time.
    maxWorkers: '100%',
    // For what hangs; a machine that does other things as well takes several times what it takes alone, and some tests run Vitest
    // five times.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
  },
})
