import { describe, expect, test } from 'vitest'
import { hasPreloads, type WorkerLaunch } from '../../src/vitest/worker-process.js'

const launch = (execArgv: readonly string[], env: Record<string, string> = {}): WorkerLaunch => ({
  execArgv,
  env,
  vitestDir: '/modules/vitest/dist',
  runner: 'file:///modules/vitest/dist/worker.js',
})

describe('modules that a process loads before its file', () => {
  test.each<[string, WorkerLaunch]>([
    ['--import', launch(['--import', '/project/before.mjs'])],
    ['--require', launch(['--require=/project/before.cjs'])],
    ['NODE_OPTIONS', launch([], { NODE_OPTIONS: '--import=/project/before.mjs' })],
    ['a package', launch(['--import', 'tsx'])],
  ])('%s', (_, one) => {
    expect(hasPreloads(one)).toBe(true)
  })

  test.each<[string, WorkerLaunch]>([
    ['nothing', launch([])],
    ['flags', launch(['--expose-gc', '--conditions', 'development'], { NODE_OPTIONS: '--max-old-space-size=100' })],
    ["Vitest's own", launch(['--require', '/modules/vitest/dist/suppress-warnings.cjs'])],
  ])('none: %s', (_, one) => {
    expect(hasPreloads(one)).toBe(false)
  })
})
