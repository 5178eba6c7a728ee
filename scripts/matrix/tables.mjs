/** The tables of docs/compatibility.md, between two marks. */
import { readFileSync, writeFileSync } from 'node:fs'

const [BEGIN, END] = ['<!-- matrix: made by npm run matrix -- --write -->', '<!-- /matrix -->']
const HEADINGS = {
  managers: 'Package managers and monorepos', modules: 'Modules and configs', places: 'Where the project lies',
  users: 'Who runs it', containers: "A container's profile",
}

export function writeTables(path, facts) {
  const text = readFileSync(path, 'utf8')
  const [before, rest] = text.split(BEGIN)
  if (rest === undefined || !rest.includes(END)) throw new Error(`${path} has no ${BEGIN} … ${END}`)
  writeFileSync(path, `${before}${BEGIN}\n\n${tables(facts)}\n\n${END}${rest.split(END)[1]}`)
}

function tables({ cells, results, kernel }) {
  const said = (cell) => results[cell.name] ?? { state: 'not run', note: '', wrong: [] }
  const pairs = cells.filter(({ group }) => group === 'versions')
  const vitests = [...new Set(pairs.map(({ vitest }) => vitest))]
  const nodes = [...new Set(pairs.map(({ node }) => node))]
  const stateOf = (vitest, node) => {
    const cell = pairs.find((pair) => pair.vitest === vitest && pair.node === node)
    return cell === undefined ? 'not supported by Vitest' : said(cell).state
  }
  const versions = table(['', ...nodes.map((node) => `Node ${node}`)], vitests.map((vitest) => [`Vitest ${vitest}`, ...nodes.map((node) => stateOf(vitest, node))]))
  const groups = Object.entries(HEADINGS).map(([group, heading]) => {
    const ofGroup = cells.filter((cell) => cell.group === group)
    const titles = [...new Set(ofGroup.map(({ title }) => title))]
    const rows = titles.map((title) => {
      const row = ofGroup.filter((cell) => cell.title === title)
      const states = row.map((cell) => `${said(cell).state} (Vitest ${cell.vitest}, Node ${cell.node})`)
      return [title, states.join('; '), said(row[0]).note]
    })
    return `### ${heading}\n\n${table(['', '', 'what was seen'], rows)}`
  })
  return [`On Linux ${kernel.replace(/-.*/, '')}, ${process.arch}.`, versions, ...groups].join('\n\n')
}

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
