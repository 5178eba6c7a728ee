// A run, reduced to what must be the same in both worlds: a line a test, a line a file, and how Vitest ended. The last
// tells of errors outside any test, which the JSON report leaves out.
import path from 'node:path'

export function parse(report, folder, { code, signal, output }) {
  const tests = new Map()
  const messages = new Map()
  for (const { name, status, message, assertionResults } of report.testResults) {
    const file = path.relative(folder, name)
    note(tests, messages, file, status, message)
    for (const test of assertionResults) {
      note(tests, messages, unique(tests, `${file} > ${test.fullName}`), test.status, test.failureMessages?.[0])
    }
  }
  note(tests, messages, '(exit)', String(signal ?? code), output)
  return { tests, messages }
}

function note(tests, messages, name, status, message) {
  tests.set(name, status)
  if (message) messages.set(name, message)
}

// Nothing forbids two tests of one name.
function unique(tests, name) {
  let candidate = name
  for (let count = 2; tests.has(candidate); count += 1) candidate = `${name} (${count})`
  return candidate
}

// A name may hold any character, and a line of ours is one line of text.
export const lines = ({ tests }) => [...tests].map(([name, status]) => `${printable(name)}: ${status}`).sort()

const printable = (name) =>
  name.replaceAll(/\p{Cc}/gu, (character) => `\\x${character.codePointAt(0).toString(16).padStart(2, '0')}`)

export function counts({ tests }) {
  const statuses = [...tests].filter(([name]) => name.includes(' > ')).map(([, status]) => status)
  const count = (status) => statuses.filter((each) => each === status).length
  const passed = count('passed')
  const failed = count('failed')
  return { tests: statuses.length, passed, failed, skipped: statuses.length - passed - failed }
}

export function difference(before, after) {
  const names = new Set([...before.tests.keys(), ...after.tests.keys()])
  return [...names]
    .map((test) => ({ test, was: status(before, test), is: status(after, test), why: after.messages.get(test) }))
    .filter(({ was, is }) => was !== is)
}

const status = ({ tests }, name) => tests.get(name) ?? 'absent'

export const compare = (suite, different) =>
  different.map(({ test, was, is, why }) => `${suite}: ${test}: ${was} -> ${is}${reason(why)}\n`).join('')

const reason = (message) => (message === undefined ? '' : `\n    ${message.split('\n').slice(0, 3).join('\n    ')}`)
