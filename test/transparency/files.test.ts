import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { fixture, runConfined, runPlain } from '../harness/confined.js'
import { SLOW } from '../slow.js'

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'transparency-')))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

interface Outcome {
  readonly name: string
}

// Where the kernel leaves no way. A test fails when one of them has become the same after all.
const { KNOWN } = (await import(fixture('transparency/known.mjs'))) as { KNOWN: ReadonlyMap<string, string> }

describe('file operations give the same results and errnos, confined with everything granted and not', async () => {
  const module = fixture('transparency/entry.mjs')
  const plain = (await runPlain(module, [join(scratch, 'plain')])) as Outcome[]
  const confined = await runConfined({
    manifest: { write: [`${scratch}/`] },
    root: scratch,
    module,
    args: [join(scratch, 'confined')],
    timeout: 300_000 * SLOW,
  })

  test('the list is as long as it should be, and the confined run was whole', () => {
    expect(plain.length).toBeGreaterThan(100)
    expect(confined).toMatchObject({ faults: [], exit: { code: 0 } })
  })

  test('nothing that the list does is a violation', () => {
    expect(
      confined.incidents.filter(
        (incident) => incident.outcome === 'denied' || (incident.outcome === 'forbidden' && incident.violation),
      ),
    ).toEqual([])
  })

  const results = new Map((confined.result as Outcome[] | undefined)?.map((outcome) => [outcome.name, outcome]))
  test.each(plain.map((outcome) => [outcome.name, outcome] as const))('%s', (name, outcome) => {
    if (KNOWN.has(name)) expect(results.get(name)).not.toEqual(outcome)
    else expect(results.get(name)).toEqual(outcome)
  })
})
