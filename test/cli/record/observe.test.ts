import { describe, expect, test } from 'vitest'
import { withoutThem } from '../../../src/cli/record/command.js'
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

describe('which dangerous entries the tests pass without', () => {
  const trying = async (entries: readonly string[], passes: (without: readonly string[]) => boolean) => {
    const tried: (readonly string[])[] = []
    const left = await withoutThem(entries, { err: () => {} }, (attempt) => {
      tried.push(attempt)
      return Promise.resolve(passes(attempt) ? 0 : 1)
    })
    return { left: [...left], tried }
  }

  test('all of them, or the files alone, or none', async () => {
    const all = ['.env', '<home>/.cache/x/']
    expect(await trying(all, () => true)).toEqual({ left: all, tried: [all] })
    expect(await trying(all, (without) => without.length === 1)).toEqual({ left: ['.env'], tried: [all, ['.env']] })
    expect(await trying(['.env'], () => false)).toEqual({ left: [], tried: [['.env']] })
    expect(await trying([], () => true)).toEqual({ left: [], tried: [] })
  })
})
