/** Policies as one would write them: `write +/w/`, `read !/w/secret/`. */
import { compilePolicy, type Mode, type PathRule, type Policy, type PolicyData } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'

export function rule(text: string): PathRule {
  const [, access = 'read', sign, path = '/'] = /^(\w+) ([+!])(.*)$/s.exec(text) ?? []
  return {
    effect: sign === '!' ? 'exclude' : 'grant',
    access: access === 'write' || access === 'execute' || access === 'content' || access === 'list' ? access : 'read',
    shape: path.endsWith('/') && (access !== 'list' || sign === '!') ? 'tree' : 'file',
    root: rawPath(path === '/' ? '/' : path.replace(/\/$/, '')),
    aliases: [],
    source: path,
    at: 'test',
  }
}

export function policyData(lists: readonly (readonly string[])[], mode: Mode = 'enforce'): PolicyData {
  return { lists: lists.map((rules) => rules.map(rule)), sockets: [], mode }
}

/** Each rule in a list of its own, or lists of rules where exclusions need it. */
export function policyOf(rules: readonly (string | readonly string[])[], mode: Mode = 'enforce'): Policy {
  return compilePolicy(
    policyData(
      rules.map((one) => (typeof one === 'string' ? [one] : one)),
      mode,
    ),
  )
}
