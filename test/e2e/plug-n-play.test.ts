/** Yarn's Plug'n'Play is refused. Its mark is all that is there of it: the packages lie in node_modules. */
import { expect, test } from 'vitest'
import { missingByPlugAndPlay } from '../../src/broker/plug-n-play.js'
import { cli, project, vitest } from './run-vitest.js'

const env = { NODE_OPTIONS: `--import="data:text/javascript,process.versions.pnp='3'"` }

test.each([
  ['vitest', 1, (at: ReturnType<typeof project>) => vitest(at, ['run'], { env })],
  ['vitest-seccomp run', 2, (at: ReturnType<typeof project>) => cli(at, ['run'], { env })],
])('a run is refused, with the line to write: %s', async (_name, exit, run) => {
  using at = project('e2e-container')
  at.write('seccomp.manifest.json', '{}')
  const { out, code } = await run(at)
  const [missing] = missingByPlugAndPlay({ pnp: '3' })
  expect(out).toContain(`vitest-pool-seccomp cannot confine tests on this machine:\n  - ${missing}\n`)
  expect(out).not.toContain('SAYS')
  expect(code).toBe(exit)
})

test('doctor says so, and tries nothing', async () => {
  using at = project('e2e-container')
  const { out, code } = await cli(at, ['doctor'], { env })
  expect(out).toContain("FAIL     yarn's Plug'n'Play keeps packages in archives\n")
  expect(out).toContain('needs: in .yarnrc.yml: nodeLinker: node-modules\n')
  expect(code).toBe(1)
})

test('where it is not, nothing is missing', () => {
  expect(missingByPlugAndPlay({})).toEqual([])
})
