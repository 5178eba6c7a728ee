/** The page that GitHub shows of a job: what is appended to the file that GITHUB_STEP_SUMMARY names. */
import { appendFileSync } from 'node:fs'

/** As it was when the process began: a test has no say in it. */
const path = process.env.GITHUB_STEP_SUMMARY

export function summarise(markdown: string, file = path): void {
  if (file !== undefined && file !== '') appendFileSync(file, `${markdown}\n`)
}

/** Text that may hold anything, as a block that ends where it says. */
export function asBlock(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}text\n${text.replace(/\n*$/, '\n')}${fence}\n`
}
