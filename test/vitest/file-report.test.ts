/** The violations of a file in the results that Vitest gets. */
import { describe, expect, test } from 'vitest'
import { FileReport, type Pack } from '../../src/vitest/file-report.js'
import type { Violation } from '../../src/vitest/violations.js'

function refused(name: string, inTest?: string): Violation {
  return {
    call: 'openat',
    access: 'read',
    resource: `/r/${name}`,
    message: `  refused: open /r/${name} for reading`,
    ...(inTest === undefined ? {} : { test: { id: inTest, name: inTest, concurrent: false } }),
  }
}

function reportOf(...violations: readonly Violation[]): FileReport {
  const report = new FileReport((stack) => stack)
  for (const violation of violations) report.add(violation)
  return report
}

/** How often each violation is told by the errors of a result. */
function told([, result]: Pack, ...names: readonly string[]): readonly number[] {
  const text = JSON.stringify(result?.errors ?? [], ['message'])
  return names.map((name) => text.split(`open /r/${name} `).length - 1)
}

const passed = (id: string): Pack => [id, { state: 'pass' }, {}]

describe("the file's result", () => {
  test('has the text of what happened outside of tests, however often the runner reports it', () => {
    const report = reportOf(refused('a'))
    for (const pack of [report.file(passed('file')), report.file(passed('file'))]) {
      expect(pack[1]?.state).toBe('fail')
      expect(told(pack, 'a')).toEqual([1])
    }
  })

  test('has each text once if it is corrected again, with what happened meanwhile', () => {
    const report = reportOf(refused('a'))
    const first = report.file(passed('file'))
    report.add(refused('b'))
    const second = report.file(first)
    expect(told(second, 'a', 'b')).toEqual([1, 1])
    expect(told(report.file(second), 'a', 'b')).toEqual([1, 1])
    expect(told(report.file(passed('file')), 'a', 'b')).toEqual([1, 1])
  })

  test("leaves out what a test's own result tells, and keeps errors of others", () => {
    const report = reportOf(refused('a', 'one'), refused('b'))
    expect(told(report.test(passed('one')), 'a', 'b')).toEqual([1, 0])
    const failed: Pack = ['file', { state: 'fail', errors: [{ name: 'Error', message: 'its own' }] }, {}]
    const pack = report.file(failed)
    expect(told(pack, 'a', 'b')).toEqual([0, 1])
    expect(pack[1]?.errors).toEqual([
      { name: 'Error', message: 'its own' },
      expect.objectContaining({ name: 'SeccompViolation' }),
    ])
  })

  test('has what a test told in a result that it took back', () => {
    const taken = [undefined, { state: 'run' }, { state: 'pass' }, { state: 'fail', errors: [{ message: 'another' }] }]
    for (const result of taken) {
      const report = reportOf(refused('a', 'one'))
      const [, first] = report.test(passed('one'))
      expect(report.untold(() => first)).toBe(false)
      expect(told(report.file(passed('file')), 'a')).toEqual([0])
      expect(report.untold(() => result)).toBe(true)
      expect(told(report.file(passed('file')), 'a')).toEqual([1])
    }
  })

  test('has what happened in a test after its own result', () => {
    const report = reportOf()
    expect(report.test(passed('one'))).toEqual(passed('one'))
    report.add(refused('late', 'one'))
    expect(told(report.file(passed('file')), 'late')).toEqual([1])
  })
})
