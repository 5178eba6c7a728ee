import { describe, expect, test } from 'vitest'
import { compilePolicy, decide } from '../../src/policy/policy.js'
import { bytePath, type PathRequest } from '../../src/policy/request.js'
import type { PathRule } from '../../src/policy/rules.js'

const rule = (effect: 'grant' | 'exclude', access: PathRule['access'], path: string): PathRule => ({
  effect,
  access,
  shape: 'tree',
  root: bytePath(path),
  aliases: [],
  source: path,
  at: 'test',
})
const policy = () =>
  compilePolicy({
    mode: 'enforce',
    sockets: [],
    lists: [[rule('grant', 'read', '/r'), rule('exclude', 'read', '/r/secret')], [rule('grant', 'write', '/w')]],
  })
const request = (access: PathRequest['access'], path: string): PathRequest => ({
  kind: 'path',
  access,
  path: bytePath(path),
})

describe('verdicts that are remembered', () => {
  test('are those of the same access to the same path, and nothing else', () => {
    const known = policy()
    for (const path of ['/r/a', '/r/secret', '/w/a', '/x', '/r']) {
      for (const access of ['look', 'read', 'content', 'write', 'move', 'execute'] as const) {
        const fresh = decide(policy(), request(access, path))
        for (let time = 0; time < 3; time++) {
          const verdict = decide(known, request(access, path))
          expect(verdict.allowed).toBe(fresh.allowed)
          if (verdict.allowed && fresh.allowed) {
            expect(verdict.granted.request).toEqual(request(access, path))
            expect(verdict.granted.rule).toEqual(fresh.granted.rule)
          } else {
            expect(verdict).toEqual(fresh)
          }
        }
      }
    }
  })

  test('belong to one policy', () => {
    const wide = policy()
    expect(decide(wide, request('read', '/r/a')).allowed).toBe(true)
    const narrow = compilePolicy({ mode: 'enforce', sockets: [], lists: [] })
    expect(decide(narrow, request('read', '/r/a')).allowed).toBe(false)
  })

  test('a move is decided with its other end each time', () => {
    const known = compilePolicy({
      mode: 'enforce',
      sockets: [],
      lists: [
        [rule('grant', 'write', '/w'), { ...rule('exclude', 'write', '/w'), shape: 'glob', pattern: '/w/src/**' }],
      ],
    })
    const from = (counterpart: string) =>
      decide(known, { ...request('move', '/w/a'), counterpart: bytePath(counterpart) }).allowed
    const alone = decide(known, request('move', '/w/a')).allowed
    const answers = ['/w/b', '/w/src/b', '/w/b'].map(from)
    expect(answers[0]).toBe(answers[2])
    expect(decide(known, request('move', '/w/a')).allowed).toBe(alone)
    expect(known.verdicts.of({ ...request('move', '/w/a'), counterpart: bytePath('/w/b') })).toBeUndefined()
  })

  test('no number of paths, and no length of them, makes memory grow', () => {
    const known = policy()
    for (let path = 0; path < 20_000; path++) decide(known, request('read', `/r/${path}`))
    expect(known.verdicts.size).toBeLessThanOrEqual(4096)
    decide(known, request('read', `/r/${'x'.repeat(3000)}`))
    expect(known.verdicts.of(request('read', `/r/${'x'.repeat(3000)}`))).toBeUndefined()
  })
})
