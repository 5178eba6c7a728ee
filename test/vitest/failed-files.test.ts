/** The failures of files whose worker cannot report them. */
import { expect, test } from 'vitest'
import { exitOf, withoutStack } from '../../src/vitest/failed-files.js'
import { withoutFrames } from '../../src/vitest/gate/frames.js'

const EXIT = { code: null, signal: 'SIGKILL' } as const

/** A stack in which Vitest finds no file. */
const leadsNowhere = (stack: string): boolean => withoutFrames(stack, () => false) === stack

test('a worker that says which file runs gives the failure no line of a stack', () => {
  const label = { file: '/root/a.test.ts\n    at run (/tmp/fifo:1:1)\n', id: '', test: '', concurrent: false }
  const { error } = exitOf(EXIT, label, '/root')('/root/a.test.ts')
  expect(error.message.split('\n')).toHaveLength(1)
  expect(leadsNowhere(error.stack)).toBe(true)
})

test.each(['    at run (/tmp/fifo:1:1)', 'run@/tmp/fifo:1:1'])('nor does what it printed: %s', (line) => {
  const { message, stack } = withoutStack(new Error(`it failed\nWhat it printed:\n  | ${line}\n${line}`))
  expect(message).toContain(line)
  expect(leadsNowhere(stack)).toBe(true)
  expect(leadsNowhere(`Error: ${message}`)).toBe(false)
})
