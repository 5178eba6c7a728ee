/**
 * The corpus of escape programs is whole, and some of each group are refused. All of it: `npm run escapes`, which also
 * shows that each of them gets out where nothing confines it.
 */
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const repository = resolve(import.meta.dirname, '../..')
const corpus = join(repository, 'fixtures/escapes')
const groups = ['filter', 'races', 'paths', 'sockets', 'processes', 'manifest', 'resources', 'vitest', 'runner']
const programs = groups.flatMap((group) =>
  readdirSync(join(corpus, group)).map((file): readonly [string, string] => [
    `${group}/${basename(file, '.mjs')}`,
    join(corpus, group, file),
  ]),
)

/** The rows of the table of vectors. */
const catalogue = [...readFileSync(join(repository, 'fixtures/README.md'), 'utf8').matchAll(/^\| (\d+) \|/gm)].map(
  ([, number]) => Number(number),
)

describe('the corpus', () => {
  test('has at least 150 programs, in each group some', () => {
    expect(programs.length).toBeGreaterThanOrEqual(150)
    for (const group of groups)
      expect(programs.filter(([name]) => name.startsWith(`${group}/`)).length, group).toBeGreaterThan(5)
  })

  test('says of each program what it does, which vector it is, and what happens unconfined', async () => {
    const titles = new Set<unknown>()
    const seen = new Set<unknown>()
    for (const [name, path] of programs) {
      const module: { readonly [key: string]: unknown } = await import(/* @vite-ignore */ pathToFileURL(path).href)
      expect(module, name).toMatchObject({ title: expect.stringMatching(/./), attempt: expect.any(Function) })
      expect([...catalogue, 'own idea'], name).toContain(module.vector)
      seen.add(module.vector)
      expect(module.unconfined, name).toMatch(/^succeeds$|^refused: ./)
      for (const reason of [module.promised, module.behindRun])
        if (reason !== undefined) expect(reason, name).toMatch(/^no: ./)
      titles.add(module.title)
    }
    expect(titles.size).toBe(programs.length)
    // SECURITY.md speaks of it instead.
    expect(catalogue.filter((vector) => !seen.has(vector))).toEqual([52])
  })

  test('leaves few outside the promises', async () => {
    const modules: readonly { readonly promised?: string }[] = await Promise.all(
      programs.map(([, path]) => import(/* @vite-ignore */ pathToFileURL(path).href)),
    )
    expect(modules.filter(({ promised }) => promised !== undefined)).toHaveLength(8)
  })
})

const QUICK = {
  filter: [
    'chroot',
    'clone-new-user',
    'int80-open',
    'io-uring-setup',
    'memfd-execveat',
    'raw-syscall-instruction',
    'second-listener',
    'x32-open',
    'high-half-of-arguments',
    'openat2',
  ],
  paths: [
    'plain-open',
    'hard-link-of-read-only',
    'parent-environ',
    'symlink-in-playground',
    'proc-self-root',
    'rename-across',
    'existence-by-enotdir',
    'own-proc-writes',
    'remove-outside',
    'dirfd-and-dot-dot',
    'automounter-outside',
  ],
  sockets: [
    'abstract',
    'tcp-loopback',
    'unix-stream',
    'udp-datagram',
    'netlink',
    'channel-forged-frames',
    'unix-through-link',
    'linger-holds-broker',
    'own-port-on-other-hosts',
    'own-socket-renamed-onto',
    'listen-after-connect',
  ],
  processes: [
    'kill-parent',
    'ptrace-parent',
    'exec-shell',
    'vm-readv-parent',
    'worker-thread-opens',
    'signal-sibling',
    'exec-by-raw-calls',
  ],
  resources: ['ungranted-names', 'connection-turned', 'file-opens-more'],
  manifest: ['excluded-written', 'excluded-in-another-case', 'granted-file-becomes-link', 'lookalike-prefix'],
}

/** Milliseconds: a program has a time limit of its own, and a busy machine takes twice to four times as long for all. */
const PATIENCE = 600_000

async function refusesAll(script: string, only: string, count: number, more: readonly string[] = []): Promise<void> {
  const args = [`scripts/escapes/${script}`, '--confined-only', '--only', only, ...more]
  // A failure is shown by what it printed: which program it was.
  const { stdout, code } = await promisify(execFile)(process.execPath, args, {
    cwd: repository,
    timeout: PATIENCE - 10_000,
  }).then(
    (done) => ({ stdout: done.stdout, code: 0 }),
    (error: Error & { readonly stdout?: string; readonly code?: unknown }) => ({
      stdout: error.stdout ?? error.message,
      code: error.code,
    }),
  )
  expect(code, stdout).toBe(0)
  expect(stdout).toContain(`${count} programs, ${count} as they should be`)
}

test('some of each group are refused', { timeout: PATIENCE }, async () => {
  const names = Object.entries(QUICK).flatMap(([group, list]) => list.map((name) => `${group}/${name}`))
  const known = new Set(programs.map(([name]) => name))
  const quick = names.filter((name) => known.has(name))
  expect(quick).toEqual(names)
  await refusesAll('run.mjs', `{${quick.join(',')}}`, quick.length)
})

test('some of those by way of Vitest are refused', { timeout: PATIENCE }, async () => {
  const names = [
    'artifact-with-path',
    'fetch-raw',
    'forged-end',
    'glob-in-own-file',
    'raw-message',
    'source-map-below-root',
    'type-script-config-of-own',
    'write-into-caches',
  ]
  await refusesAll('vitest.mjs', `{${names.join(',')}}`, names.length)
})

test("what runs in Vitest's own process is refused behind `vitest-seccomp run`", { timeout: PATIENCE }, async () => {
  const count = programs.filter(([name]) => name.startsWith('runner/')).length
  await refusesAll('vitest.mjs', '**', count, ['--group', 'runner', '--slow', '4'])
})
