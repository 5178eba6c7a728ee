import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { fixture, repository, runConfined, runPlain } from '../harness/confined.js'
import { missing } from './confined.js'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'own-ports-')))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test.skipIf(missing !== undefined)(
  `what a test listens on it may use and bind again, as without confinement (${missing ?? 'live'})`,
  async () => {
    const module = fixture('own-ports/entry.mjs')
    const plain = await runPlain(module, [])
    const confined = await runConfined({
      manifest: {
        read: [`${repository}/fixtures/`, '/usr/lib/', '/etc/'],
        listen: ['tcp:127.0.0.1:0', 'udp:127.0.0.1:0'],
        exec: [process.execPath],
      },
      root,
      module,
      args: [],
    })
    expect(confined).toMatchObject({ result: plain, faults: [], exit: { code: 0 } })
    expect(confined.incidents.filter(({ outcome }) => outcome === 'denied')).toEqual([])
  },
)
