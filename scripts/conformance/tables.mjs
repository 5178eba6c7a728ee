/** The section of docs/compatibility.md that says where the verdicts of the suites differ, and why. */
import { readFileSync, writeFileSync } from 'node:fs'
import { explained } from './known.mjs'
import { SUITES } from './suites.mjs'

const START = '<!-- conformance: made by npm run conformance -- --write -->'
const END = '<!-- /conformance -->'

/** Whether every difference has its reason. */
export function writeTables(file, results) {
  const text = readFileSync(file, 'utf8')
  const [from, to] = [text.indexOf(START), text.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`${file}: expected the lines ${START} and ${END}`)
  writeFileSync(file, `${text.slice(0, from + START.length)}\n\n${tables(results)}\n${text.slice(to)}`)
  return results.every((result) => explained(result) !== undefined)
}

const differs = ({ plain, confined }) => plain.verdict !== confined.verdict
const isDeclared = (result) => differs(result) && result.filtered?.verdict === result.confined.verdict

function tables(results) {
  const runs = grouped(results)
  const rows = [...runs.values()].map((run) => {
    const different = run.filter(differs)
    const others = different.filter((result) => !isDeclared(result))
    const known = others.filter((result) => explained(result) !== undefined)
    const passing = run.filter(({ plain: { code } }) => code === 0).length
    const [{ suite, version }] = run
    return `| ${SUITES[suite].title} | ${version} | ${run.length} | ${passing} | ${different.length - others.length} | ${known.length} | ${others.length - known.length} |`
  })
  return [
    '| suite | version | programs | of these pass plain | differ as declared | differ, known why | differ besides |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    ...[...runs.values()].flatMap((run) => listed(run.filter(differs))),
    '',
  ].join('\n')
}

const keyOf = ({ suite, version }) => `${suite} ${version}`

function grouped(results) {
  const groups = new Map()
  for (const result of results) groups.set(keyOf(result), [...(groups.get(keyOf(result)) ?? []), result])
  return groups
}

/** By reason: many programs differ for the same one. */
function listed(different) {
  if (different.length === 0) return []
  const [{ suite, version }] = different
  const reasons = new Map()
  for (const result of different) {
    const why = explained(result) ?? '**not known**'
    reasons.set(why, [...(reasons.get(why) ?? []), result])
  }
  const lines = [...reasons].map(
    ([why, those]) =>
      `| ${why} | ${those
        .map(({ program }) => `\`${program}\``)
        .sort()
        .join(' ')} |`,
  )
  return ['', `${SUITES[suite].title} (${version}):`, '', '| why | programs |', '|---|---|', ...lines]
}
