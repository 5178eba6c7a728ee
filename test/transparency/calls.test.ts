import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { fixture, repository, runConfined, runPlain } from '../harness/confined.js'
import { SLOW } from '../slow.js'

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'calls-')))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

interface Outcome {
  readonly name: string
}

describe('system calls give the same results and errnos, confined and not', async () => {
  const module = fixture('transparency/calls/entry.mjs')
  const plain = (await runPlain(module, [join(scratch, 'plain')])) as Outcome[]
  const confined = await runConfined({
    manifest: {
      read: [join(repository, 'fixtures/escapes/lib/')],
      write: [`${scratch}/`],
      listen: ['tcp:127.0.0.1:0', 'udp:127.0.0.1:0', 'tcp:[::1]:0'],
    },
    root: scratch,
    module,
    args: [join(scratch, 'confined')],
    timeout: 300_000 * SLOW,
  })

  test('the confined run was whole', () => {
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
    expect(results.get(name)).toEqual(outcome)
  })
})
