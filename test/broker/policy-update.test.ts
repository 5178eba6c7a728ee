/** A policy that follows another one arrives as it was, and what did not change is the same object on the other side. */
import { deserialize, serialize } from 'node:v8'
import { describe, expect, test } from 'vitest'
import { updated, updateOf, type PolicyUpdate } from '../../src/broker/policy-update.js'
import { ProtocolError } from '../../src/errors.js'
import type { PathRule, PolicyData } from '../../src/policy/policy.js'
import { bytePath } from '../../src/policy/request.js'

function rule(path: string): PathRule {
  const root = bytePath(path)
  return { effect: 'grant', access: 'read', shape: 'file', root, aliases: [], source: path, at: 'manifest.read[0]' }
}

/** What arrives of a message in another process or thread. */
function sent<T>(message: T): T {
  // The cast: structured clone keeps the shape.
  return deserialize(serialize(message)) as T
}

const [base, other] = [[rule('/base')], [rule('/other')]]
const first: PolicyData = { mode: 'enforce', lists: [base, [], other], sockets: [], anchors: [bytePath('/base')] }

describe('an update', () => {
  const there = sent(first)

  test.each<[string, PolicyData]>([
    ['the same', first],
    ['a list more, and one less', { ...first, lists: [[rule('/new')], base] }],
    ['other anchors', { ...first, anchors: [bytePath('/elsewhere')] }],
    ['no anchors', { mode: 'enforce', lists: [base], sockets: [] }],
    ['one list twice', { ...first, lists: [base, base] }],
    ['other fields', { ...first, mode: 'audit', runnerPorts: [1], denied: other, resources: [] }],
  ])('arrives as it was: %s', (_, next) => {
    expect(updated(there, sent(updateOf(next, first)))).toEqual(next)
  })

  test('brings only what is new', () => {
    const added = [rule('/new')]
    const update = updateOf({ ...first, lists: [base, added, other] }, first)
    expect(update).toMatchObject({ lists: [0, added, 2], anchors: 'same' })
    const after = updated(there, sent(update))
    expect(after.lists[0]).toBe(there.lists[0])
    expect(after.lists[2]).toBe(there.lists[2])
    expect(after.anchors).toBe(there.anchors)
  })

  test('refers to the policy right before it', () => {
    const second = { ...first, lists: [other, base] }
    const thereSecond = updated(there, sent(updateOf(second, first)))
    const third = { ...first, lists: [base] }
    expect(updated(thereSecond, sent(updateOf(third, second)))).toEqual(third)
  })

  test('without a policy before it is the whole policy', () => {
    expect(updateOf(first, undefined)).toEqual(first)
    expect(updated(undefined, sent(first))).toEqual(first)
  })

  test.each<[string, PolicyData | undefined, PolicyUpdate]>([
    ['an index too large', first, { ...first, lists: [3] }],
    ['a negative index', first, { ...first, lists: [-1] }],
    ['no index', first, { ...first, lists: [0.5] }],
    ['not a number', first, { ...first, lists: [Number.NaN] }],
    ['a list, where there was no policy', undefined, { ...first, lists: [0] }],
    ['anchors that there are none of', { mode: 'enforce', lists: [], sockets: [] }, { ...first, anchors: 'same' }],
  ])('that refers to nothing is a breach: %s', (_, before, update) => {
    expect(() => updated(before, update)).toThrow(ProtocolError)
  })
})
