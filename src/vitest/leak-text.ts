/** The text about descriptors that a test file left open. */
import { showName } from '../policy/message.js'
import type { Leak } from '../report/data.js'
import type { ReportedError } from './violation-text.js'

const MOST = 20

export function leakText(leaks: readonly Leak[]): string {
  const lines = leaks
    .slice(0, MOST)
    .map(
      ({ kind, what, test }) =>
        `  ${kind} ${showName(what)}${test === undefined ? ', outside of any test' : `\n    opened in: ${showName(test)}`}`,
    )
  return [...lines, ...(leaks.length > MOST ? [`  and ${leaks.length - MOST} more`] : [])].join('\n')
}

export function leakError(leaks: readonly Leak[], clean: (stack: string) => string): ReportedError {
  const count = leaks.length === 1 ? 'something' : `${leaks.length} things`
  const message = `the test file opened ${count} and left it open at its end\n${leakText(leaks)}`.replace(
    'things and left it',
    'things and left them',
  )
  return { name: 'SeccompLeak', message, stack: clean(`SeccompLeak: ${message}`) }
}
