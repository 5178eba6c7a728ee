/** What a well-behaved suite uses of Vitest works as it does in the stock pool. */
import { chmodSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../harness/http.js'
import { outcomes } from './json-report.js'
import { project, run, vitest, vitestMajor, type Finished, type Report } from './run-vitest.js'

const env = { FROM_OUTSIDE: 'yes' }

function preloaded({ out }: Report): unknown {
  return JSON.parse(/PRELOADED (.*)/.exec(out)?.[1] ?? 'null')
}

describe('a suite with setup, mocks, hooks, retries and failures', () => {
  let ours: Report
  let stock: Report
  beforeAll(async () => {
    using at = project('e2e-features')
    ours = await run(at, [], { env })
    stock = await run(at, [], { env: { ...env, E2E_STOCK: 'yes' } })
  })

  test('has the outcomes that the stock pool has', () => {
    expect(outcomes(stock.json)).toContain('features.test.ts > passes at the third attempt: passed')
    expect(outcomes(ours.json)).toEqual(outcomes(stock.json))
    expect(ours.code).toBe(1)
  })

  test('prints what tests print, by console and past it', () => {
    for (const text of ['CONSOLE LOG', 'CONSOLE ERROR', 'RAW STDOUT', 'RAW STDERR', 'GLOBAL TEARDOWN']) {
      expect(ours.out.split(text), text).toHaveLength(2)
    }
    expect(ours.out).toContain('stdout | test/features.test.ts > prints')
  })

  test('modules of execArgv run, after the filter went on', () => {
    expect(preloaded(ours)).toEqual([
      { kind: 'require', confined: true },
      { kind: 'import', confined: true },
    ])
    expect(preloaded(stock)).toEqual([
      { kind: 'require', confined: false },
      { kind: 'import', confined: false },
    ])
  })

  test('a stack names the line of the source', () => {
    expect(ours.out).toMatch(/thrown in line 10 x\n ❯ fail test\/failing\.test\.ts:10:9/)
    expect(ours.out).toContain('10|   throw new Error(`thrown in line 10 ${lines.unused}`)')
  })

  test('each worker has a temporary directory of its own, below TMPDIR, and none is left', () => {
    const dirs = [...ours.out.matchAll(/TMP (.*)/g)].map(([, dir]) => dir)
    expect(new Set(dirs).size).toBe(2)
    for (const dir of dirs) expect(dir).toMatch(/^\/.+\/tmp\/vitest-seccomp-\w+$/)
    expect(ours.leftovers).toEqual({ processes: [], tmp: [] })
  })
})

describe('programs and profiles', () => {
  const config = (options: object, test: object): string =>
    "import { seccomp } from 'vitest-pool-seccomp'\n" +
    `export default { plugins: [seccomp(${JSON.stringify(options)})], test: ${JSON.stringify(test)} }\n`

  test('a program is found along the PATH of the run, wherever that leads', async () => {
    using at = project('e2e-start')
    at.write('own/bin/own-tool', '#!/bin/sh\necho "own tool: $1"\n')
    chmodSync(join(at.root, 'own/bin/own-tool'), 0o755)
    at.write('vitest.config.mjs', config({ manifest: { exec: ['own-tool'] } }, { include: ['own/*.test.mjs'] }))
    at.write(
      'own/tool.test.mjs',
      "import { execFileSync } from 'node:child_process'\nimport { expect, test } from 'vitest'\n" +
        "test('runs it', () => expect(execFileSync('own-tool', ['yes'], { encoding: 'utf8' })).toBe('own tool: yes\\n'))\n",
    )
    const { out, code } = await vitest(at, ['run'], {
      env: { PATH: `${join(at.root, 'own/bin')}:${process.env.PATH}` },
    })
    expect(out).toMatch(/Tests +1 passed/)
    expect(code).toBe(0)
  })

  test('certificates of NODE_EXTRA_CA_CERTS are there, however early Node reads them', async () => {
    using at = project('e2e-start')
    at.write('extra.pem', `${rootCertificates[0]}\n`)
    at.write('vitest.config.mjs', config({}, { include: ['own/*.test.mjs'] }))
    at.write(
      'own/tls.test.mjs',
      "import * as tls from 'node:tls'\nimport { expect, test } from 'vitest'\n" +
        "test('has it', () => {\n  tls.createSecureContext()\n  expect(tls.getCACertificates?.('extra').length ?? 1).toBe(1)\n})\n",
    )
    const { out, code } = await vitest(at, ['run'], { env: { NODE_EXTRA_CA_CERTS: join(at.root, 'extra.pem') } })
    expect(out).not.toContain('Ignoring extra certs')
    expect(code).toBe(0)
  })

  test('--cpu-prof leaves a profile where tests may write it, and a line to add where not', async () => {
    using at = project('e2e-start')
    const execArgv = ['--cpu-prof', '--cpu-prof-dir=profile']
    const profiled = (manifest: object): Promise<Finished> => {
      at.write(
        'vitest.config.mjs',
        config(
          { manifest, ...(vitestMajor === 3 ? { execArgv } : {}) },
          { include: ['own/*.test.mjs'], ...(vitestMajor === 3 ? {} : { execArgv }) },
        ),
      )
      return vitest(at, ['run'])
    }
    at.write('own/some.test.mjs', "import { test } from 'vitest'\ntest('runs', () => {})\n")
    const refused = await profiled({})
    expect(refused.out).toContain("to allow it, add to the manifest: write: ['profile/']")
    expect(refused.code).toBe(1)
    const { code } = await profiled({ write: ['profile/'] })
    expect(code).toBe(0)
    expect(readdirSync(join(at.root, 'profile')).filter((name) => name.endsWith('.cpuprofile'))).toHaveLength(1)
  })
})

describe('the command line', () => {
  test('--inspect, and NODE_OPTIONS with a module to load', async () => {
    using at = project('e2e-features')
    // Vitest takes 0 for its usual port, which another run may have.
    const port = await freePort()
    const args = ['run', '-t', 'execArgv', `--inspect=127.0.0.1:${port}`, '--no-file-parallelism', 'features']
    const { out, code } = await vitest(at, args, {
      env: { ...env, NODE_OPTIONS: '--require ./from-options.cjs' },
    })
    expect(out).toContain(`Debugger listening on ws://127.0.0.1:${port}/`)
    // In vitest itself, where nothing confines it, and once in the worker.
    const [first, ...others] = out.match(/FROM OPTIONS .*/g) ?? []
    expect(first).toBe('FROM OPTIONS /etc/passwd is there')
    expect(others.filter((line) => line === 'FROM OPTIONS nothing is there')).toHaveLength(1)
    expect(code).toBe(0)
  })

  test('list, -t, --bail, --shard, related and --reporter=dot', async () => {
    using at = project('e2e-features')
    const list = await vitest(at, ['list'], { env })
    expect(list.out.split('\n')).toEqual(
      expect.arrayContaining(['test/features.test.ts > a module is mocked', 'test/failing.test.ts > fails by itself']),
    )
    expect(list).toMatchObject({ code: 0, leftovers: { processes: [], tmp: [] } })

    const named = await run(at, ['-t', 'mocked'], { env })
    expect(outcomes(named.json)).toContain('features.test.ts > a module is mocked: passed')
    expect(outcomes(named.json).filter((line) => line.endsWith('passed'))).toHaveLength(5)

    const bailed = await run(at, ['failing', '--bail=1'], { env })
    const stock = await run(at, ['failing', '--bail=1'], { env: { ...env, E2E_STOCK: 'yes' } })
    expect(outcomes(bailed.json)).toEqual(outcomes(stock.json))
    expect(outcomes(bailed.json)).toContain('failing.test.ts > fails by itself: pending')
    expect(bailed.leftovers).toEqual({ processes: [], tmp: [] })

    const shard = await run(at, ['--shard=1/3'], { env })
    expect(shard.json.testResults).toHaveLength(1)

    const related = await vitest(at, ['related', '--run', 'src/clock.ts', '--reporter=dot'], { env })
    expect(related.out).toMatch(/Test Files +1 passed \(1\)/)
    expect(related.code).toBe(0)
  })
})
