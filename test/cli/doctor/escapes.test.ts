/** doctor notices a confinement that does not hold. Run as built: the worker's threads are bundles. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { allEscapes } from '../../../src/child/escapes.js'
import type * as EscapesModule from '../../../src/cli/doctor/escapes.js'
import { DIST, missing } from '../../broker/confined.js'
import { cli, project } from '../../e2e/run-vitest.js'

const load = async (): Promise<typeof EscapesModule> =>
  await import(pathToFileURL(join(DIST, 'cli/doctor/escapes.js')).href)

test.skipIf(missing !== undefined)('each way out is refused, and open without confinement', async () => {
  const { tryWaysOut } = await load()
  expect(await tryWaysOut()).toEqual({ succeeded: [], refused: allEscapes, impossible: [] })
})

test.skipIf(missing !== undefined)('one that is open is named', async () => {
  const { tryWaysOut } = await load()
  const target = { family: 'inet', protocol: 'tcp', host: { kind: 'any' }, ports: { from: 0, to: 65_535 } } as const
  const open = await tryWaysOut({ lists: [], sockets: [{ access: 'connect', target, source: 'tcp:*:*', at: 'test' }] })
  expect(open.succeeded).toEqual(['connect to a TCP port'])
})

test.skipIf(missing !== undefined)('one that the start finds keeps the worker from coming up', async () => {
  const { tryWaysOut } = await load()
  const all = {
    effect: 'grant',
    access: 'read',
    shape: 'tree',
    root: '/',
    aliases: [],
    source: '/',
    at: 'test',
  } as never
  expect((await tryWaysOut({ lists: [[all]], sockets: [] })).failure).toContain(
    'THE CONFINEMENT DOES NOT HOLD: before any test ran, a worker could open /',
  )
})

test.skipIf(missing !== undefined)('for programs, with an exit code', async () => {
  using at = project('record')
  const { code, out } = await cli(at, ['doctor', '--json'])
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({
    ok: true,
    checks: expect.arrayContaining([
      { id: 'confinement', state: 'ok', found: expect.stringMatching(/refused \d+ known ways out/) },
    ]),
  })
})
