import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // scripts/fuzz.mjs runs the laws, and nothing else.
    include: [process.env.FUZZ_SECONDS === undefined ? 'test/**/*.test.ts' : 'test/**/*.laws.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
