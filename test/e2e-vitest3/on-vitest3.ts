/** Imported first: what comes after it runs Vitest 3. `npm test` installs it; otherwise `node scripts/vitest3.mjs` does. */
import { join } from 'node:path'

process.env.VITEST_BIN = join(import.meta.dirname, '../../fixtures/vitest3/node_modules/vitest/vitest.mjs')
