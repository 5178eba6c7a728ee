/** What is wrong is told once, in words of this package's own, and where it is looked for. */
import { spawnSync } from 'node:child_process'
import { promises } from 'node:dns'
import { closeSync, openSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { nodeBin, project, run, vitest, vitestBin, vitestMajor, type Finished, type Project } from './run-vitest.js'

/** A name that leads somewhere without a name server: this machine's own has a line in /etc/hosts, mostly. */
const hostAddress = await promises.lookup(hostname(), 4).then(
  ({ address }) => address,
  () => undefined,
)

const times = (out: string, text: string): number => out.split(text).length - 1

function withConfig(at: Project, options: string, rest = ''): void {
  at.write(
    'vitest.config.mjs',
    `import { seccomp } from 'vitest-pool-seccomp'\nexport default { plugins: [seccomp(${options})], test: { include: ['one.test.mjs']${rest} } }\n`,
  )
}

/** A project of one test. */
async function runOne(body: string, options = '{}', args: readonly string[] = [], env = {}): Promise<Finished> {
  using at = project('e2e-start')
  withConfig(at, options)
  at.write('data.txt', 'data')
  at.write('one.test.mjs', `import { test } from 'vitest'\n${body}\n`)
  return await vitest(at, ['run', ...args], { env })
}

const FINE = "test('is fine', () => {})"

describe('before the first test', () => {
  test('a mistake in the manifest', async () => {
    const { out, code } = await runOne(FINE, "{ manifest: { reed: ['x'] } }")
    expect(times(out, 'manifest.reed')).toBe(1)
    expect(out).toContain('    write:    read\n')
    expect(out).not.toContain('problems:')
    expect(code).toBe(1)
  })

  // Nobody, root included, makes a directory there.
  test.each(['/nowhere', '/sys'])('no place for temporary directories: %s', async (TMPDIR) => {
    const { out, code } = await runOne(FINE, '{}', [], { TMPDIR })
    expect(out).toMatch(
      new RegExp(
        `gets a temporary directory of its own, and none can be made in ${TMPDIR} \\(E[A-Z]+\\)\\.\nSet TMPDIR to a directory that exists and can be written\\.`,
      ),
    )
    expect(code).toBe(1)
  })

  test.each(['threads', 'forks'])('--pool=%s', async (pool) => {
    const { out, code } = await runOne(FINE, '{}', [`--pool=${pool}`])
    expect(out).toContain(`The tests would run in the pool '${pool}', without confinement`)
    expect(out).not.toContain('actual:')
    expect(code).toBe(1)
  })
})

test('a resource that nobody declared is one entry, at the line that asked for it', async () => {
  const { out } = await runOne(
    "import { acquire } from 'vitest-pool-seccomp/client'\ntest('asks', async () => {\n  await acquire('nope')\n})",
  )
  expect(times(out, ' FAIL ')).toBe(1)
  expect(out).not.toContain('AcquireError')
  expect(out).toMatch(/to allow it, add to the manifest: resources: \{ nope: \{ … \} \}\n ❯ one\.test\.mjs:4:\d+\n/)
  expect(out).toContain('  To be declared under `resources`, or misspelt: nope\n')
  expect(out).not.toContain('Nothing in a manifest allows it')
})

const READS = "import fs from 'node:fs'\ntest('reads', () => void fs.readFileSync('data.txt'))"

test('a host that is looked up is told by its name, as one entry, with the line that leads there', async () => {
  const { out } = await runOne(
    "import net from 'node:net'\n" +
      "test('fetches', () => fetch('https://one.example/'))\n" +
      "test('swallows', () => Promise.all(['http://two.example:81', 'http://three.example'].map((url) => fetch(url).catch(() => {}))))\n" +
      "test('connects', () => new Promise((resolve, reject) => net.connect(5432, 'four.example').on('error', reject)))\n" +
      "test('stays here', () => fetch('http://localhost:9').catch(() => {}))",
  )
  expect(times(out, ' FAIL ')).toBe(3)
  for (const text of ['fetch failed', 'getaddrinfo', 'udp:', 'localhost']) expect(out).not.toContain(text)
  expect(out).toContain(`  refused: look up one.example
  because: no entry covers it
  to allow it, add to the manifest: connect: ['tcp:one.example:443']`)
  expect(out).toContain(
    "connect: ['tcp:four.example:*', 'tcp:one.example:443', 'tcp:three.example:80', 'tcp:two.example:81']",
  )
})

test.skipIf(hostAddress === undefined)(
  'a host that led somewhere is told by its name, with where that is',
  async () => {
    const { out } = await runOne(
      "import net from 'node:net'\nimport os from 'node:os'\n" +
        "test('connects', () => new Promise((resolve, reject) => net.connect(9, os.hostname()).on('error', reject)))\n" +
        "test('as it is', () => new Promise((resolve, reject) => net.connect(9, '192.0.2.9').on('error', reject)))\n",
    )
    expect(times(out, ' FAIL ')).toBe(2)
    expect(out).toContain(`  refused: connect to tcp:${hostname()}:9
  that is: tcp:${hostAddress}:9
  because: no entry covers it
  to allow it, add to the manifest: connect: ['tcp:${hostname()}:9']`)
    expect(out).toContain("add to the manifest: connect: ['tcp:192.0.2.9:9']")
  },
)

describe('the block at the end', () => {
  test('is the last that is said, with the plugin', async () => {
    using at = project('e2e-start')
    withConfig(at, '{}')
    at.write('data.txt', 'data')
    at.write('one.test.mjs', `import { test } from 'vitest'\n${READS}\n`)
    // Both through one descriptor: in the order in which they were written.
    at.write('said.txt', '')
    const said = openSync(join(at.root, 'said.txt'), 'a')
    spawnSync(nodeBin, [vitestBin, 'run'], {
      cwd: at.root,
      stdio: ['ignore', said, said],
      env: { ...process.env, NO_COLOR: '1' },
    })
    closeSync(said)
    const out = stripVTControlCharacters(at.read('said.txt'))
    expect(out.slice(out.indexOf(' Test Files '))).toContain(
      " seccomp  1 violation in 1 test file\n  To allow all of it (read it first: each line opens something), merge into the options of seccomp():\n\n    manifest: { read: ['data.txt'] },\n",
    )
  })

  test('names the manifest file, and what adds to it', async () => {
    using at = project('e2e-start')
    withConfig(at, "{ manifest: './seccomp.manifest.json' }")
    at.write('seccomp.manifest.json', '{}\n')
    at.write('data.txt', 'data')
    at.write('one.test.mjs', `import { test } from 'vitest'\n${READS}\n`)
    const { out } = await run(at)
    expect(out).toContain('npx vitest-seccomp accept --all adds to ./seccomp.manifest.json:\n')
  })

  test('without the plugin, names where the options are then', async () => {
    using at = project('e2e-start')
    const pool =
      vitestMajor === 3
        ? "pool: 'vitest-pool-seccomp/vitest3', poolOptions: { seccomp: {} }"
        : "pool: (await import('vitest-pool-seccomp')).seccompPool()"
    at.write('vitest.config.mjs', `export default { test: { include: ['one.test.mjs'], ${pool} } }\n`)
    at.write('data.txt', 'data')
    at.write('one.test.mjs', `import { test } from 'vitest'\n${READS}\n`)
    const { out } = await run(at)
    const place = vitestMajor === 3 ? 'poolOptions.seccomp' : 'the options of seccompPool()'
    expect(out).toContain(`merge into ${place}:\n`)
  })
})
