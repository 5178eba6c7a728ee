/** The section of docs/compatibility.md that says where the verdicts of the suites differ, and why. */
import { readFileSync, writeFileSync } from 'node:fs'

const START = '<!-- conformance: made by npm run conformance -- --write -->'
const END = '<!-- /conformance -->'

export function writeTables(file, suites) {
  const text = readFileSync(file, 'utf8')
  const [from, to] = [text.indexOf(START), text.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`${file}: expected the lines ${START} and ${END}`)
  writeFileSync(file, `${text.slice(0, from + START.length)}\n\n${tables(suites)}\n${text.slice(to)}`)
}

function tables(suites) {
  const rows = suites.map(
    ({ title, version, count, passing, different }) =>
      `| ${title} | ${version} | ${count} | ${passing} | ${different.length} |`,
  )
  const lists = suites.flatMap(({ title, different }) =>
    different.length === 0
      ? []
      : [
          '',
          `Where ${title} differ:`,
          '',
          '| program | plain | confined |',
          '|---|---|---|',
          ...different.map(
            ({ program, plain, confined }) =>
              `| \`${program}\` | ${short(plain.verdict)} | ${short(confined.verdict)} |`,
          ),
        ],
  )
  return [
    '| suite | version | programs | of these pass plain | another verdict confined |',
    '|---|---|---|---|---|',
    ...rows,
    ...lists,
    '',
  ].join('\n')
}

const LONGEST = 120

function short(verdict) {
  const text = verdict.replaceAll('|', '\\|')
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}
