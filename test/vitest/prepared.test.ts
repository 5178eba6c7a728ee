import { describe, expect, test } from 'vitest'
import { isTimeless } from '../../src/vitest/prepared.js'
import type { WorkerLaunch } from '../../src/vitest/worker-process.js'

const launch = (execArgv: readonly string[], env: Record<string, string> = {}): WorkerLaunch => ({
  execArgv,
  env,
  vitestDir: '/modules/vitest',
  runner: 'file:///modules/vitest/dist/worker.js',
})

describe('a process that waits for the next run', () => {
  test.each<[string, WorkerLaunch]>([
    ['--import', launch(['--import', '/project/before.mjs'])],
    ['--require', launch(['--require=/project/before.cjs'])],
    ['NODE_OPTIONS', launch([], { NODE_OPTIONS: '--import=/project/before.mjs' })],
    ['a package', launch(['--import', 'tsx'])],
    ['--env-file', launch(['--env-file=.env.test'])],
    ['--inspect', launch(['--inspect'])],
    ['what nobody knows', launch(['--new-in-node-40'])],
  ])('is not started with %s', (_, one) => {
    expect(isTimeless(one)).toBe(false)
  })

  test.each<[string, WorkerLaunch]>([
    ['no option', launch([])],
    ['flags', launch(['--expose-gc', '--conditions', 'development'], { NODE_OPTIONS: '--max-old-space-size=100' })],
    ["Vitest's own", launch(['--require', '/modules/vitest/suppress-warnings.cjs'])],
  ])('is started with %s', (_, one) => {
    expect(isTimeless(one)).toBe(true)
  })
})
