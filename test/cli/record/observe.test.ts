import { expect, test } from 'vitest'
import { vitestArguments } from '../../../src/cli/record/observe.js'

test.each([
  ['vitest run a.test.ts', ['run', 'a.test.ts']],
  ['npx vitest', []],
  ['pnpm exec vitest run', ['run']],
  ['pnpm vitest run', ['run']],
  ['yarn vitest', []],
  ['node node_modules/vitest/vitest.mjs run', ['run']],
  ['./node_modules/.bin/vitest --config x.ts', ['--config', 'x.ts']],
])('%s is Vitest itself', (command, args) => {
  expect(vitestArguments(command.split(' '))).toEqual(args)
})

test.each(['npm test', 'npm run vitest', 'turbo run test', 'node scripts/test.mjs', 'make'])('%s is not', (command) => {
  expect(vitestArguments(command.split(' '))).toBeUndefined()
})
