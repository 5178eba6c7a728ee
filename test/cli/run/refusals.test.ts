/** What the command says of refusals after Vitest has ended. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { dist } from '../../../src/cli/dist.js'
import { Refusals } from '../../../src/cli/run/refusals.js'
import type { AccessEvent } from '../../../src/policy/event.js'
import { bytePath } from '../../../src/policy/request.js'
import { plainly } from '../../../src/vitest/plainly.js'

const context = {
  suggest: { root: '/p', workspace: '/p', home: '/h', tmp: '/t', searchPath: [] },
  manifestFile: 'seccomp.manifest.json',
  audit: false,
  mayListen: (port: number) => port >= 51_204 && port < 51_214,
}

test.each([
  ['0.0.0.0', 51_204, false],
  ['::', 51_205, false],
  ['0.0.0.0', 51_203, true],
  ['10.0.0.1', 51_204, true],
])('a port that Vite tries on every address: %s %i is told: %s', (host, port, isTold) => {
  const refusals = new Refusals(context)
  const request = { kind: 'socket', access: 'listen', address: { family: 'inet', protocol: 'tcp', host, port } }
  const event = { outcome: 'denied', name: 'bind', request, reason: { why: 'no-grant' } }
  refusals.add('runner', event as unknown as AccessEvent)
  expect(refusals.failRun).toBe(isTold)
  // A test has no reason to.
  refusals.add('worker', event as unknown as AccessEvent)
  expect(refusals.failRun).toBe(true)
})

function told(stack: string): string {
  const refusals = new Refusals(context)
  const event = {
    outcome: 'denied',
    name: 'openat',
    request: { kind: 'path', access: 'read', path: bytePath('/h/.npmrc') },
    reason: { why: 'no-grant' },
  }
  // The facts of an event that the text is made of.
  refusals.add('runner', { ...event, site: { stack } } as unknown as AccessEvent)
  return refusals.text()
}

describe('who did it is', () => {
  test.each([
    ['the innermost package', '    at read (/p/node_modules/a/node_modules/b/x.js:1:2)\n    at /p/x.js:3:4', 'b'],
    [
      'the own file where that did it',
      `    at config (${join(process.cwd(), 'vitest.config.ts')}:5:28)\n    at run (/p/node_modules/vite/x.js:1:1)`,
      'vitest.config.ts',
    ],
    [
      'not the pool',
      `    at openSync (file://${dist}main/chunk.js:1:1)\n    at f (file:///p/node_modules/a/x.js:1:1)`,
      'a',
    ],
    [
      'looked for behind lines without a file',
      '    at new Promise (<anonymous>)\n    at f (file:///p/node_modules/@a/b/x.js:1:1)',
      '@a/b',
    ],
  ])('%s', (_, stack, by) => {
    expect(told(stack)).toContain(`\n  by: ${by}\n`)
  })
})

test('on a terminal, the text comes after an end of whatever Vitest began', () => {
  expect(plainly('x', 'terminal')).toMatch(/^\u001b\\.*x$/s)
  expect(plainly('x', 'elsewhere')).toBe('x')
  expect(plainly('', 'terminal')).toBe('')
})
