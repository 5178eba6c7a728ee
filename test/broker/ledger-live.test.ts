/** The ledger of a real worker: what is told, and when. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { policyData } from '../contracts/rules.js'
import { confine, missing, SOON, within, type Confined } from './confined.js'

let scratch: string
let confined: Confined

const told = (): string[] =>
  confined.accesses.map(
    ({ outcome, request, label }) =>
      `${label?.test ?? ''} ${outcome} ${request.access} ${request.kind === 'path' ? request.path.replace(scratch, '') : ''}`,
  )
const mark = (test: string): Promise<unknown> =>
  confined.value('mark', { file: 'a.test.ts', id: test, test, concurrent: false })

async function start(mode: 'enforce' | 'audit', ledger: boolean): Promise<void> {
  const policy = policyData([[`write +${scratch}/in/`], ['read +/dev/null']], mode)
  confined = await within(SOON, 'start', confine({ runtime: 'broker/runtime.mjs', policy, ledger }))
}

async function use(): Promise<void> {
  await mark('one')
  await confined.value('readFile', join(scratch, 'out'))
  await mark('two')
  await confined.value('exists', join(scratch, 'out'))
  await confined.value('exists', join(scratch, 'nothing'))
}

describe.skipIf(missing !== undefined)(`the ledger (${missing ?? 'live'})`, () => {
  beforeEach(() => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'ledger-')))
    writeFileSync(join(scratch, 'out'), 'content')
  })
  afterEach(async () => {
    await within(SOON, 'stop', confined.worker.stop())
    rmSync(scratch, { recursive: true, force: true })
  })

  test('is told when asked for, with the tests that it is about', async () => {
    await start('enforce', true)
    await use()
    expect(told()).toEqual([])
    await within(SOON, 'telling', confined.worker.tellLedger())
    expect(told()).toEqual(['one denied read /out', 'two hidden look /out'])
  })

  test('in audit mode says the same, and the worker gets everything', async () => {
    await start('audit', true)
    expect(await confined.value('readFile', join(scratch, 'out'))).toBe('content')
    await use()
    await within(SOON, 'telling', confined.worker.tellLedger())
    expect(told().slice(1)).toEqual(['one denied read /out', 'two hidden look /out'])
  })

  test('is told before another policy counts, and at the end', async () => {
    await start('enforce', true)
    await use()
    await within(SOON, 'the policy', confined.worker.setPolicy(policyData([[`read +${scratch}/`]])))
    expect(told()).toHaveLength(2)
    await confined.value('readFile', join(scratch, 'out'))
    await within(SOON, 'stop', confined.worker.stop())
    expect(told().slice(2)).toEqual(['two allowed read /out'])
  })

  test('is not kept for nobody', async () => {
    await start('enforce', false)
    await use()
    await within(SOON, 'telling', confined.worker.tellLedger())
    expect(told()).toEqual([])
  })
})
