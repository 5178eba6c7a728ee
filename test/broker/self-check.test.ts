/** A worker tries known ways out before it goes on; where one leads out, it does not. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { escapes } from '../../src/sys/escapes.js'
import { policyData } from '../contracts/rules.js'
import { confine, missing } from './confined.js'

let dir: string
let canary: string
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'self-check-')))
  canary = join(dir, 'canary')
  writeFileSync(canary, 'canary')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const check = () => ({ paths: [canary], parent: process.pid })

describe.skipIf(missing !== undefined)('the self-check', () => {
  test('goes on where nothing leads out, and what it tried is no incident', async () => {
    const confined = await confine({
      runtime: 'broker/runtime.mjs',
      policy: policyData([]),
      selfCheck: check(),
      ledger: true,
    })
    expect(await confined.value('readFile', canary)).toBe('EACCES')
    await confined.worker.settled()
    await confined.worker.tellLedger()
    expect(confined.incidents).toMatchObject([{ outcome: 'denied', call: 'openat', request: { path: canary } }])
    expect(
      confined.accesses.map(({ request, count }) => [request.kind === 'path' ? request.path : '', count]),
    ).toContainEqual([canary, 1])
    expect(confined.faults).toEqual([])
    await confined.worker.stop()
  })

  test('ends the worker where something does', async () => {
    const granted = policyData([[`read +${canary}`]])
    await expect(confine({ runtime: 'broker/runtime.mjs', policy: granted, selfCheck: check() })).rejects.toThrow(
      `THE CONFINEMENT DOES NOT HOLD: before any test ran, a worker could open ${canary}, open ${canary} by openat2. No test runs in it.\n` +
        'Please report this as SECURITY.md says; npx vitest-seccomp doctor shows what else is open.',
    )
  })

  test('tries what leads out where nothing confines', () => {
    // In this process: without ptrace, which would make the parent its tracer.
    expect(escapes({ paths: [canary], parent: process.pid }, ['files', 'processes'])).toEqual([
      `open ${canary}`,
      `open ${canary} by openat2`,
      'name a process by a pidfd',
      'signal Vitest itself',
    ])
  })
})
