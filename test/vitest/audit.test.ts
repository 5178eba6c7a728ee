/** What an audited run says at its end. */
import { expect, test } from 'vitest'
import { auditText } from '../../src/vitest/audit.js'
import { hintError } from '../../src/vitest/violation-text.js'

const suggestion = { key: 'read', entry: 'x', line: "read: ['x']" }
const violation = { call: 'openat', access: 'read', resource: '/p/x', suggestion, message: '' }

test('that nothing was refused, and what would have been', () => {
  expect(auditText([{ file: 'a.test.ts', violations: [violation] }], 2, '')).toBe(
    ` seccomp  mode 'audit': NOTHING WAS REFUSED IN THIS RUN. Enforced, there would have been:
 seccomp  1 violation in 1 test file
  To allow all of it (read it first: each line opens something), merge into the options of seccomp():

    files: {
      'a.test.ts': { read: ['x'] },
    },
`,
  )
  expect(auditText([{ file: 'a.test.ts', violations: [] }], 2, '')).toBe(
    " seccomp  mode 'audit': NOTHING WAS REFUSED IN THIS RUN, and enforced nothing would have been.\n",
  )
})

test('hidden files: those of the project first, and not too many', () => {
  const hint = (text: string, far: boolean) => ({ test: '1', text: `  ${text}`, rank: far ? 1 : 0 })
  const far = ['/usr/share/fonts/a', '/usr/share/fonts/b', '/opt/c', '/opt/d', '/opt/e']
  expect(hintError([...far.map((text) => hint(text, true)), hint('/p/own', false)]).message).toBe(
    [
      'files were hidden, as if not there, because no entry of the manifest covers them',
      '  /p/own',
      '',
      ...far.slice(0, 4).flatMap((text) => [`  ${text}`, '']),
      '  and 1 more',
    ].join('\n'),
  )
})
