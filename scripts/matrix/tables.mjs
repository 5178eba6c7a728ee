/** The tables of docs/compatibility.md, between two marks. */
import { readFileSync, writeFileSync } from 'node:fs'
import { RACE_SHARE, SUITES } from './parts.mjs'

const [BEGIN, END] = ['<!-- matrix: made by npm run matrix -- --write -->', '<!-- /matrix -->']
const HEADINGS = {
  managers: 'Package managers and monorepos',
  modules: 'Modules and configs',
  places: 'Where the project lies',
  users: 'Who runs it',
  containers: "A container's profile",
}

export function writeTables(path, facts) {
  const text = readFileSync(path, 'utf8')
  const [before, rest] = text.split(BEGIN)
  if (rest === undefined || !rest.includes(END)) throw new Error(`${path} has no ${BEGIN} … ${END}`)
  const [known, after] = rest.split(END)
  writeFileSync(path, `${before}${BEGIN}\n\n${tables(facts, known.trim())}\n\n${END}${after}`)
}

/** A section none of whose cells was run stays as it is `known`. */
export function tables({ cells, results, kernel }, known) {
  const said = ({ name }) => results[name] ?? { state: 'not run', counts: {}, wrong: [] }
  const sections = known.split(/\n\n(?=### )/)
  const of = (group) => cells.filter((cell) => cell.group === group)
  const wereRun = (group) => of(group).some(({ name }) => results[name] !== undefined)
  const made = (group) => {
    const isWhole = of(group).every(({ name }) => results[name] !== undefined)
    const rest = isWhole ? '' : ' Rows that were not run then are of an earlier run.'
    return `On Linux ${kernel.replace(/-.*/, '')}, ${process.arch}; ${madeAt(of(group).map(said))}.${rest}`
  }
  const groups = Object.entries(HEADINGS).map(([group, heading]) => {
    const before = sections.find((section) => section.startsWith(`### ${heading}\n`))
    return wereRun(group)
      ? `### ${heading}\n\n${made(group)}\n\n${groupTable(of(group), results, said, before ?? '')}`
      : before
  })
  const first = wereRun('versions') ? `${made('versions')}\n\n${versions(of('versions'), said)}` : sections[0]
  return [first, ...groups.filter((section) => section !== undefined), ...redCells(cells, said)].join('\n\n')
}

/** Cells that were run at different times say so. */
function madeAt(all) {
  const times = all.filter(({ date }) => date !== undefined).map(({ commit, date }) => `on ${date} at commit ${commit}`)
  const different = [...new Set(times)]
  if (different.length === 1) return `run ${different[0]}`
  return `run ${different.map((time) => `${time} (${times.filter((other) => other === time).length} cells)`).join(', ')}`
}

function versions(cells, said) {
  const head = [
    'Vitest',
    'Node',
    'the cell',
    'demo',
    'everyday tests',
    'file operations',
    'ways out',
    'escapes that need no Vitest',
    'escapes that need one',
    ...SUITES,
  ]
  const rows = cells.map((cell) => {
    const { state, counts } = said(cell)
    const part = (name, text) =>
      counts[name] === undefined
        ? '-'
        : counts[name].failed > 0
          ? `**${counts[name].failed} wrong**`
          : text(counts[name])
    const suite = ({ tests, passed, cannot }) =>
      cannot === undefined ? `${passed} of ${tests} passed, the same` : `not in the stock pool either: ${cannot}`
    return [
      cell.vitest,
      cell.node,
      state,
      part('demo', () => 'as it should be'),
      counts.everyday ?? '-',
      counts.operations ?? '-',
      counts.ways === undefined ? '-' : `${counts.ways} closed`,
      part('escapes', ({ programs }) => `${programs} programs`),
      part(
        'inVitest',
        ({ programs, unconfined }) =>
          `${programs} programs${unconfined > 0 ? `, ${unconfined} get out of the stock pool` : ''}`,
      ),
      ...SUITES.map((name) => part(name, suite)),
    ]
  })
  const most = (name) => Math.max(0, ...cells.map((cell) => said(cell).counts[name]?.notPromised ?? 0))
  const open = most('escapes') + most('inVitest')
  return `${table(head, rows)}\n\nNo program of the corpus got out, but for ${open} that do what is not promised to be prevented. Its races tried for
${RACE_SHARE * 100} % of the time that \`npm run escapes\` gives them.`
}

/** A row that was not run stays as it is known. */
function groupTable(cells, results, said, before) {
  const titles = [...new Set(cells.map(({ title }) => title))]
  return table(
    ['', '', 'what was seen'],
    titles.map((title) => {
      const row = cells.filter((cell) => cell.title === title)
      const known = before.split('\n').find((line) => line.startsWith(`| ${title} |`))
      if (known !== undefined && row.every(({ name }) => results[name] === undefined))
        return known.slice(2, -2).split(' | ')
      return [
        title,
        row.map((cell) => `${said(cell).state} (Vitest ${cell.vitest}, Node ${cell.node})`).join('; '),
        seen(said(row[0]).counts),
      ]
    }),
  )
}

function seen({ said, everyday, operations, ways, sockets }) {
  if (said !== undefined) return said
  if (everyday === undefined) return ''
  return `${everyday} everyday tests, ${operations > 0 ? `${operations} file operations, ` : ''}${ways} ways out closed${sockets === undefined ? '' : `; sockets ${sockets}, and it says so`}`
}

function redCells(cells, said) {
  const red = cells.filter((cell) => said(cell).state === 'RED')
  if (red.length === 0) return []
  const lines = red.map(
    (cell) =>
      `- ${cell.name} (\`logs/${said(cell).log.split('/').at(-1)}\`): ${said(cell)
        .wrong.map((line) => line.split('\n')[0])
        .join('; ')}`,
  )
  return [`### Red cells\n\n${lines.join('\n')}`]
}

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
