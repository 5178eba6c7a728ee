/** Writes to the page that GitHub shows for a job: text appended to the file in GITHUB_STEP_SUMMARY. */
import { appendFileSync } from 'node:fs'

/** Read when the process begins, so that a test cannot change it. */
const path = process.env.GITHUB_STEP_SUMMARY

export function summarise(markdown: string, file = path): void {
  if (file !== undefined && file !== '') appendFileSync(file, `${markdown}\n`)
}

/**
 * Any text as a fenced block. The fence is longer than every run of backticks in the text, so the text cannot end it.
 */
export function asBlock(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}text\n${text.replace(/\n*$/, '\n')}${fence}\n`
}
