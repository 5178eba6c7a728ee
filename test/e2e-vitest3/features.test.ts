/** The suite of everyday features, on Vitest 3. All of test/e2e: VITEST_BIN=$(node scripts/vitest3.mjs) npx vitest run test/e2e */
import './on-vitest3.js'
import '../e2e/features.test.js'
