import * as fc from 'fast-check'
import { rawPath, type BytePath, type PathAccess, type PathRequest } from '../../src/policy/request.js'
import type { PathRule, RuleAccess, RuleList } from '../../src/policy/rules.js'

// Few names, some a prefix of another, one hidden, one not UTF-8, some that may be one to a file system: so that random rules
// and paths do meet.
const segment = fc.constantFrom('a', 'b', 'ab', 'k.key', '.a', '\xff', 'A', 'K.KEY', 'q~1')

export const canonicalPath: fc.Arbitrary<BytePath> = fc
  .array(segment, { maxLength: 4 })
  .map((segments) => rawPath(`/${segments.join('/')}`))

export const pathAccess: fc.Arbitrary<PathAccess> = fc.constantFrom(
  'look',
  'list',
  'read',
  'content',
  'write',
  'move',
  'execute',
)

export const pathRequest: fc.Arbitrary<PathRequest> = fc.record({
  kind: fc.constant('path' as const),
  access: pathAccess,
  path: canonicalPath,
})

const root = fc.array(segment, { maxLength: 2 }).map((segments) => rawPath(`/${segments.join('/')}`))
const globRest = fc.constantFrom('*', '**', '**/*.key', '*/k.key', '**/a', '{a,b}/**', 'a*', '**/a/*', '*/', '@(a|b)')

function ruleIn(access: RuleAccess): fc.Arbitrary<PathRule> {
  return fc
    .record({
      effect: fc.constantFrom('grant' as const, 'grant' as const, 'exclude' as const),
      shape: fc.constantFrom('file' as const, 'tree' as const, 'glob' as const),
      root,
      rest: globRest,
      aliases: fc.array(canonicalPath, { maxLength: 1 }),
    })
    .map(({ rest, ...rule }) => {
      const text = Buffer.from(rule.root, 'latin1').toString()
      const pattern = `${text === '/' ? '' : text}/${rest}`
      const sign = rule.effect === 'grant' ? '+' : '-'
      const source = `${sign}${rule.shape}:${rule.shape === 'glob' ? pattern : rule.root}`
      return { ...rule, access, source, at: 'test', ...(rule.shape === 'glob' ? { pattern } : {}) }
    })
}

export const ruleList: fc.Arbitrary<RuleList> = fc
  .constantFrom<RuleAccess>('look', 'list', 'read', 'write', 'write', 'content', 'execute')
  .chain((access) => fc.array(ruleIn(access), { maxLength: 4 }))

export const ruleLists: fc.Arbitrary<RuleList[]> = fc.array(ruleList, { maxLength: 3 })
