/** Answers a question in words: the grant that allows the access, or why none does and what to write. Pure. */
import { byName, namesFor } from '../../policy/by-name.js'
import { isWithin } from '../../policy/canonical.js'
import { dangerOfEntry, dangerOfRequest } from '../../policy/dangers.js'
import { explain, type Explanation } from '../../policy/explain.js'
import { showName, toDo } from '../../policy/message.js'
import { quote } from '../../policy/nearest.js'
import { compilePolicy, type PolicyData } from '../../policy/policy.js'
import { bytePath, showPath } from '../../policy/request.js'
import type { PathRule } from '../../policy/rules.js'
import type { SocketRule } from '../../policy/sockets.js'
import { suggest, type SuggestContext } from '../../policy/suggest.js'
import type { Question } from './subject.js'

interface AnswerContext {
  readonly policy: PolicyData
  /** The entries of `files` that do not apply here, each by itself. */
  readonly others: readonly { readonly glob: string; readonly policy: PolicyData }[]
  readonly suggest: SuggestContext
}

interface ExplainAnswer {
  readonly allowed: boolean
  readonly text: string
}

export function answer(question: Question, context: AnswerContext): ExplainAnswer {
  if (question.kind === 'host') return answerOfName(question, context)
  const { request } = question
  const explanation = explain(compilePolicy(context.policy), request)
  const links =
    question.kind === 'path' && question.asked !== question.request.path
      ? [`  ${showPath(question.asked)} leads to it`]
      : []
  if (explanation.allowed)
    return {
      allowed: true,
      text: lines([
        explanation.text,
        ...links,
        ...aboutRule(explanation.rule),
        ...aboutDanger(question, explanation, context),
      ]),
    }
  const suggestion = suggest({ ...context.suggest, ...spelledAs(question) }, request, explanation.reason)
  const elsewhere = context.others.flatMap(({ glob, policy }) => {
    const other = explain(compilePolicy(policy), request)
    return other.allowed ? [maySay(glob, other.rule)] : []
  })
  const named = byName(namesFor(request, context.policy.resources ?? []))
  return {
    allowed: false,
    text: lines([
      explanation.text,
      ...links,
      ...elsewhere,
      ...(explanation.quiet === undefined ? toDo(suggestion) : []),
      ...named,
      ...aboutImports(question, context),
    ]),
  }
}

function spelledAs(question: Exclude<Question, { kind: 'host' }>): Partial<SuggestContext> {
  if (question.kind === 'socket') return question.host === undefined ? {} : { host: question.host }
  const { asked, directory, request } = question
  return { directory, ...(asked === request.path ? {} : { asked }) }
}

function maySay(glob: string, { source, at }: PathRule | SocketRule): string {
  return `  but test files that match ${quote(glob)} may: ${quote(source)} (${at})`
}

/** Answers for a host name without an address: the entries are compared with it as they are written. */
function answerOfName(question: Extract<Question, { kind: 'host' }>, context: AnswerContext): ExplainAnswer {
  const { access, protocol, name, port } = question
  const entry = `${protocol}:${name}:${port}`
  const ruleIn = ({ sockets }: PolicyData): SocketRule | undefined =>
    sockets.find(
      ({ access: own, target }) =>
        own === access &&
        target.family === 'inet' &&
        target.protocol === protocol &&
        (target.host.kind === 'any' || (target.host.kind === 'name' && target.host.name === name.toLowerCase())) &&
        target.ports.from <= port &&
        port <= target.ports.to,
    )
  const rule = ruleIn(context.policy)
  const what = `${access === 'connect' ? 'connect to' : 'listen on'} ${entry}`
  const now = `  ${name} has no address now`
  if (rule !== undefined)
    return {
      allowed: true,
      text: lines([`${what}: allowed, by ${quote(rule.source)} (${rule.at})`, now, ...aboutRule(rule)]),
    }
  const elsewhere = context.others.flatMap(({ glob, policy }) => {
    const other = ruleIn(policy)
    return other === undefined ? [] : [maySay(glob, other)]
  })
  const danger = dangerOfEntry(access, entry, context.suggest)
  const suggestion = {
    key: access,
    entry,
    line: `${access}: ['${entry}']`,
    ...(danger === undefined ? {} : { danger }),
  }
  return {
    allowed: false,
    text: lines([`${what}: refused, no entry names it`, now, ...elsewhere, ...toDo(suggestion)]),
  }
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`
}

function aboutRule(rule: PathRule | SocketRule): string[] {
  const place = 'target' in rule ? rule.target : rule
  const aliases = 'aliases' in place ? place.aliases : []
  const root = 'root' in place ? showPath(place.root) : ''
  return [
    ...(rule.why === undefined ? [] : [`  why: ${showName(rule.why)}`]),
    ...aliases.map(
      (alias) =>
        `  the entry names ${showPath(alias)}, a symbolic link or below one; when the run starts it is resolved to ${root}`,
    ),
  ]
}

/** The danger of an entry that somebody wrote. Base grants have been considered already. */
function aboutDanger(
  question: Exclude<Question, { kind: 'host' }>,
  { rule, how }: Extract<Explanation, { allowed: true }>,
  { suggest: places }: AnswerContext,
): string[] {
  if (rule.reason !== undefined || how === 'ancestor') return []
  const isTree = question.kind === 'path' && question.directory
  const danger = dangerOfRequest(question.request, places, isTree)
  return danger === undefined ? [] : [`  dangerous: ${danger}`]
}

const CODE = /\.(?:[cm]?[jt]sx?|vue|svelte|css)$/

/** A note about a surprise: a test can import a file that it may not read. */
function aboutImports(question: Question, { suggest: { root, workspace } }: AnswerContext): string[] {
  if (question.kind !== 'path' || question.request.access !== 'read' || !CODE.test(question.request.path)) return []
  const isOwn = [root, workspace].some((dir) => isWithin(question.request.path, bytePath(dir)))
  return isOwn ? ['  importing it needs no entry: code of the project comes from Vitest'] : []
}
