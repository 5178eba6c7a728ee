/** Granted programs do start: what the kernel starts them by comes with the grant, or is told. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Manifest } from '../../src/policy/manifest.js'
import { fixture, runConfined } from '../harness/confined.js'
import { missing } from './confined.js'

let root: string
beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'programs-live-')))
  mkdirSync(join(root, 'made'))
})
afterAll(() => rmSync(root, { recursive: true }))

async function running(manifest: Manifest, programs: readonly (readonly string[])[], scripts = {}): Promise<unknown> {
  const args = [{ programs, scripts, dir: join(root, 'made') }]
  const ran = await runConfined({ manifest, module: fixture('programs/main.mjs'), args, root })
  expect(ran.faults).toEqual([])
  const refused = ran.incidents.flatMap((incident) => (incident.outcome === 'denied' ? [incident.request] : []))
  return { result: ran.result, refused }
}

test.skipIf(missing !== undefined)('a tree of programs brings their loader', async () => {
  expect(
    await running({ exec: ['/usr/bin/'] }, [['/usr/bin/true'], ['/usr/bin/printf', 'x'], ['/bin/sh', '-c', 'echo y']]),
  ).toEqual({
    result: ['', 'x', 'y'],
    refused: [],
  })
})

test.skipIf(missing !== undefined)('so does a glob', async () => {
  expect(await running({ exec: ['/usr/bin/print*'] }, [['/usr/bin/printf', 'x']])).toEqual({
    result: ['x'],
    refused: [],
  })
})

const scripts = { script: '#!/bin/sh\necho ran\n', 'by-env': '#!/usr/bin/env printf\n' }

test.skipIf(missing !== undefined)(
  'of a script that a test makes, the interpreter is told, and with its entry it runs',
  async () => {
    const made = [[join(root, 'made/script')]]
    const shell = realpathSync('/bin/sh')
    expect(await running({ write: ['made/'], exec: ['made/'] }, made, scripts)).toEqual({
      result: ['EACCES'],
      refused: [{ kind: 'path', access: 'execute', path: shell }],
    })
    expect(await running({ write: ['made/'], exec: ['made/', 'sh'] }, made, scripts)).toEqual({
      result: ['ran'],
      refused: [],
    })
  },
)
