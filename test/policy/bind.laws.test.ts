/** An entry means the same however its path is spelled. */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { bindOptions } from '../../src/policy/bind.js'
import { compilePolicy, decide } from '../../src/policy/policy.js'
import { rawPath, type PathAccess } from '../../src/policy/request.js'
import { parseOptions } from '../../src/policy/schema.js'
import { law } from '../laws/law.js'

const name = fc.constantFrom('a', 'b', 'c')
const entry = fc.record({
  list: fc.constantFrom('read' as const, 'write' as const),
  isExclusion: fc.boolean(),
  names: fc.array(name, { minLength: 1, maxLength: 3 }),
  end: fc.constantFrom('', '/', '/*', '/**'),
})
/** Ways round before each name, and a way to start. */
const detours = fc.record({
  start: fc.constantFrom('', './', '/app/', '<root>/', '../app/', 'x/../', '/app/./', '//app/'),
  before: fc.array(fc.constantFrom('', '', './', './/', 'y/../'), { minLength: 3, maxLength: 3 }),
})

type Entry = Parameters<typeof spelled>[0]

function spelled(
  { isExclusion, names, end }: { isExclusion: boolean; names: readonly string[]; end: string },
  { start, before }: { start: string; before: readonly string[] },
): string {
  return (isExclusion ? '!' : '') + start + names.map((one, index) => (before[index] ?? '') + one).join('/') + end
}

function policyOf(entries: readonly (Entry & { readonly list: 'read' | 'write' })[], texts: readonly string[]) {
  const of = (list: 'read' | 'write') => texts.filter((_, index) => entries[index]?.list === list)
  // A list of exclusions alone is a mistake, and says so.
  const manifest = { read: ['z', ...of('read')], write: ['z', ...of('write')] }
  const { lists, sockets } = bindOptions(parseOptions({ manifest }), {
    root: '/app',
    workspace: '/app',
    home: '/home',
    searchPath: [],
    tmp: '/tmp',
    file: '/app',
    lookup: (path) => ({ kind: 'missing', real: path }),
  })
  return compilePolicy({ lists, sockets, mode: 'enforce' })
}

law(
  'an entry means the same however its path is spelled',
  { cases: 500 },
  [
    fc.array(fc.tuple(entry, detours), { minLength: 1, maxLength: 4 }),
    fc.array(name, { maxLength: 4 }),
    fc.constantFrom<PathAccess>('look', 'read', 'content', 'write'),
  ],
  (spellings, names, access) => {
    const entries = spellings.map(([one]) => one)
    const plain = policyOf(
      entries,
      entries.map((one) => spelled(one, { start: '', before: [] })),
    )
    const round = policyOf(
      entries,
      spellings.map(([one, how]) => spelled(one, how)),
    )
    const request = { kind: 'path', access, path: rawPath(['/app', ...names].join('/')) } as const
    expect(decide(round, request).allowed).toBe(decide(plain, request).allowed)
  },
)
