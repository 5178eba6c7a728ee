/** The end of a process whose threads have only just been started. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { compile } from '../../src/bpf/compile.js'
import { encode } from '../../src/bpf/instruction.js'
import type { Spawner } from '../../src/broker/spawner.js'
import {
  networkedFilter,
  receivingFilter,
  sealFilter,
  socketlessFilter,
  spawnerFilter,
  workerFilter,
} from '../../src/syscalls/filter.js'
import { repository } from '../harness/confined.js'
import { missing } from './confined.js'

const built = (path: string): string => JSON.stringify(pathToFileURL(join(repository, 'dist/broker', path)).href)
/** It goes away at the moment at which its thread has mapped koffi and begins to set it up; as in Vitest 3, a listener ends it on the spot. */
const PROGRAM = `
import { readFileSync } from 'node:fs'
import { prepareSpawner } from ${built('spawner.js')}
process.once('exit', (code) => process.reallyExit(code))
prepareSpawner()
while (!readFileSync('/proc/self/maps', 'latin1').includes('koffi.node'));
process.exit(7)
`

test.skipIf(missing !== undefined)('it ends as it was told to while a thread of it loads', () => {
  for (let time = 0; time < 20; time++) {
    const { status, signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM], {
      encoding: 'utf8',
      timeout: 200_000,
    })
    expect({ status, signal, stderr }).toEqual({ status: 7, signal: null, stderr: '' })
  }
})

test.skipIf(missing !== undefined)('a spawner that was given no limits starts nothing', async () => {
  // dist/ is what tsc made of src/, so it has the same types.
  const { Spawner: Built } = (await import(pathToFileURL(join(repository, 'dist/broker/spawner.js')).href)) as {
    Spawner: typeof Spawner
  }
  const spawner = new Built()
  await expect(spawner.spawn(process.execPath, ['--version'], {}, '/', [1, 2, 1, 2])).rejects.toThrow(
    'the spawner has no limits yet',
  )
  spawner.limit([])
  const child = await spawner.spawn(process.execPath, ['--eval', ''], {}, '/', [1, 2, 1, 2])
  expect(await child.exited).toEqual({ code: 0, signal: null })
})

const filters = [
  ['worker', workerFilter],
  ['receiving', receivingFilter],
  ['socketless', socketlessFilter],
  ['networked', networkedFilter],
  ['seal', sealFilter],
  ['spawner', spawnerFilter],
] as const

test.each(filters.flatMap(([of, filter]) => [[of, 'x64', filter] as const, [of, 'arm64', filter] as const]))(
  'the %s filter that was built for %s is the one that the source means',
  (of, arch, filter) => {
    expect(readFileSync(join(repository, `dist/filters/${of}.${arch}.bpf`)).equals(encode(compile(filter(arch))))).toBe(
      true,
    )
  },
)
