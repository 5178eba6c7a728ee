/**
 * The same commands in a confined process and, where the manifest allows them, in an unconfined twin: what is inside the
 * grants behaves the same, and what is outside is neither read nor changed.
 */
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { command, threadCommand } from '../arbitraries/commands.js'
import { missing } from '../broker/confined.js'
import { liveLaw } from '../laws/law.js'
import { PINNED } from './pinned.js'
import { World } from './world.js'

let world: World

describe.skipIf(missing !== undefined)(`confined and unconfined (${missing ?? 'live'})`, () => {
  beforeAll(async () => {
    world = await World.open()
  })
  afterAll(() => world.close())

  test.each(PINNED)('pinned: %s', async (_, commands) => world.agree(commands))

  liveLaw(
    'a confined process and its twin agree on random commands, and the outside stays as it is',
    { cases: 40 },
    [fc.array(command, { minLength: 1, maxLength: 40, size: 'max' })],
    (commands) => world.agree(commands),
  )

  const programs = fc.array(fc.array(threadCommand, { minLength: 1, maxLength: 25, size: 'max' }), {
    minLength: 2,
    maxLength: 4,
  })

  liveLaw(
    'several threads of a confined process get at once what each would get alone',
    { cases: 15 },
    [programs],
    (all) => world.agreeApart(all),
  )

  liveLaw(
    'threads that work against each other on one tree come to nothing outside',
    { cases: 15 },
    [programs],
    (all) => world.stayInside(all),
  )

  test('that law was put to the test', () => {
    // A model that is never put to the test agrees with everything.
    const { counts } = world
    const all = counts.yes + counts.no + counts.unclear
    expect(counts.done / all, JSON.stringify(counts)).toBeGreaterThan(0.15)
    expect(counts.no / all, JSON.stringify(counts)).toBeGreaterThan(0.05)
  })
})
