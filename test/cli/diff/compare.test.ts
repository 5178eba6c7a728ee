import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { asMarkdown, asText, compare, type Changes } from '../../../src/cli/diff/compare.js'
import { main } from '../../../src/cli/main.js'
import type { ManifestFile } from '../../../src/policy/manifest.js'

const places = { root: '/p', workspace: '/p', home: '/home/me' }
const compared = (before: ManifestFile, after: ManifestFile): Changes =>
  compare(before, after, places, { isStraight: () => true, meant: () => undefined })
const said = (before: ManifestFile, after: ManifestFile): string => asText(compared(before, after), 'main')

describe('in sentences', () => {
  test('what is granted more, and less', () => {
    expect(
      said(
        { manifest: { read: ['a', 'gone'], exec: ['git'] }, files: { 'db/**': { connect: ['tcp:db:5432'] } } },
        {
          manifest: { read: ['a', { entry: 'data/', why: 'used by 3 test files' }], list: ['./'] },
          files: { 'db/**': { connect: ['tcp:db:5432', 'tcp:cache:6379'] } },
        },
      ),
    ).toBe(`More is granted than at main:
  all test files may see the names in './'
  all test files may read 'data/' with everything below it (used by 3 test files)
  test files that match 'db/**' may connect to 'tcp:cache:6379'
Less is granted than at main:
  all test files may no longer read 'gone'
  all test files may no longer run 'git'
`)
  })

  test('what is dangerous stands apart, with the reason', () => {
    expect(said({}, { manifest: { read: ['.env'], connect: ['tcp:*:443'], write: ['out/'] } })).toBe(
      `More is granted than at main:
  all test files may write 'out/' with everything below it
DANGEROUS, and granted, other than at main:
  all test files may read '.env': environment files hold secrets
  all test files may connect to 'tcp:*:443': any address anywhere
`,
    )
  })

  test('a preset is dangerous by the file that it is given', () => {
    expect(said({}, { manifest: { use: ['git', 'sqlite:data/a.db', 'sqlite:<home>/.bashrc'] } })).toBe(
      `More is granted than at main:
  all test files may use what the preset names: 'git'
  all test files may use what the preset names: 'sqlite:data/a.db'
DANGEROUS, and granted, other than at main:
  all test files may use what the preset names: 'sqlite:<home>/.bashrc': it lies in your home directory
`,
    )
  })

  test('a resource is dangerous by what it opens', () => {
    const resources = {
      docker: { connect: 'unix:../run/docker.sock' },
      key: { read: '.env' },
      port: { listen: 'tcp:127.0.0.1:0' },
    }
    const dangerous = said({}, { manifest: { resources } }).split('DANGEROUS')[1]
    expect(dangerous).toContain(
      'acquire docker: {"connect":"unix:../run/docker.sock"}: whoever talks to it owns this machine\n',
    )
    expect(dangerous).toContain('acquire key: {"read":".env"}: environment files hold secrets\n')
    expect(dangerous).not.toContain('port')
  })

  test('an exclusion or a quiet refusal that goes opens something', () => {
    expect(said({ manifest: { read: ['./', '!<secrets>'], deny: ['.env'] } }, { manifest: { read: ['./'] } })).toBe(
      `More is granted than at main:
  for all test files, '<secrets>' is no longer excluded from read
  for all test files, '.env' is no longer refused whatever else is granted
`,
    )
    expect(said({ manifest: { read: ['./'] } }, { manifest: { read: ['./', '!x'], deny: ['y'] } })).toBe(
      `Less is granted than at main:
  for all test files, 'x' is excluded from read
  for all test files, 'y' is refused without a violation
`,
    )
  })

  test('what said the same before is nothing new', () => {
    const before = { manifest: { read: ['data/'], write: ['out'] } }
    expect(said(before, { ...before, files: { a: { read: ['data/x', 'out'] } } })).toBe('')
    expect(
      said({ manifest: { read: ['data/', '!data/x'] } }, { manifest: { read: ['data/', '!data/x', 'data/x/y'] } }),
    ).toBe("More is granted than at main:\n  all test files may read 'data/x/y'\n")
  })

  test('for every test file is more than for some', () => {
    expect(said({ files: { a: { read: ['x'] } } }, { manifest: { read: ['x'] } })).toBe(
      "More is granted than at main:\n  all test files may read 'x'\n",
    )
  })
})

describe('what another line seems to say', () => {
  test.each([
    ['a way out of a tree', { read: ['test/'] }, { read: ['test/', 'test/../../../etc/'] }],
    ['a way out of the root', { read: ['./'] }, { read: ['./', 'test/../../etc/'] }],
  ] as const)('%s is more', (_, before, after) => {
    expect(compared({ manifest: before }, { manifest: after }).more).toHaveLength(1)
  })

  test('an entry beside other exclusions is more', () => {
    const manifest = { read: ['x/', '!x/secret/'] }
    const said1 = said({ manifest }, { manifest, files: { a: { read: ['x/'] } } })
    expect(said1).toContain("test files that match 'a' may read 'x/' with everything below it")
    const write = { write: ['x/', '!x/secret/'] }
    expect(said({ manifest: write }, { manifest: { ...write, read: ['x/'] } })).toContain('all test files may read')
    expect(said({ manifest }, { manifest, files: { a: { read: ['x/', '!x/secret/'] } } })).not.toContain('More')
  })

  test('an exclusion that goes opens something, though another list has it', () => {
    const manifest = { read: ['x/', '!x/secret/'], write: ['y/', '!x/secret/'] }
    const both = { manifest, files: { a: { read: ['x/', '!x/secret/'] } } }
    expect(said(both, { manifest, files: { a: { read: ['x/'] } } })).toContain(
      "for test files that match 'a', 'x/secret/' is no longer excluded from read",
    )
    expect(said({ manifest }, { manifest: { ...manifest, read: ['x/'] } })).toContain('is no longer excluded from read')
    expect(said(both, { manifest })).not.toContain('More')
  })
})

test('what Vitest itself may use is compared by itself', () => {
  const manifest = { exec: ['git'] }
  expect(said({ manifest }, { manifest, runner: { exec: ['git'] } })).toBe(
    "More is granted than at main:\n  Vitest itself may run 'git'\n",
  )
  expect(said({ manifest, runner: { exec: ['git'] } }, { manifest })).toContain('Less')
})

test('nothing that a manifest says reaches the terminal as a control character, or makes a line of its own', () => {
  const evil = '\u001b[2J\u009b1A\u202e\nLess is granted'
  const text = said(
    {},
    {
      manifest: { read: [{ entry: `a${evil}`, why: evil }], resources: { db: { read: `b${evil}` } } },
      files: { [`c${evil}`]: { read: ['d'] } },
    },
  )
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]|^Less/m)
})

test('for the summary of a step', () => {
  expect(asMarkdown(compared({}, { manifest: { read: ['a_*$x$&#47;'] } }), 'main')).toBe(
    "### What the manifest grants\n\n\n**More is granted than at main:**\n\n- all test files may read 'a\\_\\*\\$x\\$\\&#47;'\n",
  )
  expect(asMarkdown({ more: [], less: [] }, 'main')).toBe('')
})

test('a repository that a pull request brings along is not asked', async () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'diff-')))
  try {
    const git = (...args: string[]): void =>
      void execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: dir })
    const own = join(dir, 'packages/one')
    for (const below of ['objects/info', 'refs/heads']) mkdirSync(join(own, below), { recursive: true })
    const ran = join(dir, 'ran')
    const files = {
      'seccomp.manifest.json': '{}',
      HEAD: 'ref: refs/heads/main\n',
      'refs/heads/main': `${'1'.repeat(40)}\n`,
      'objects/info/kept': '',
      // git fetches what is missing from there.
      config: `[core]\nrepositoryformatversion = 1\nworktree = ..\n[extensions]\npartialClone = evil\n[remote "evil"]\nurl = ext::touch ${ran}\npromisor = true\n[protocol "ext"]\nallow = always\n`,
    }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(own, name), text)
    git('init', '--quiet', '--initial-branch', 'main')
    git('add', '.')
    git('commit', '--quiet', '-m', 'first')
    let out = ''
    const io = { out: (text: string) => void (out += text), err: (text: string) => void (out += text) }
    const code = await main(['diff', '--against', 'main', '--manifest', join(own, 'seccomp.manifest.json')], io)
    expect({ code, out }).toEqual({ code: 0, out: 'The manifest grants what it does at main.\n' })
    expect(existsSync(ran)).toBe(false)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test('against a commit, with an exit code', async () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'diff-')))
  try {
    const git = (...args: string[]): void =>
      void execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: dir })
    const file = join(dir, 'seccomp.manifest.json')
    const run = async (ref: string): Promise<{ code: number; out: string; err: string }> => {
      let [out, err] = ['', '']
      const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) }
      return { code: await main(['diff', '--against', ref, '--manifest', file], io), out, err }
    }
    git('init', '--quiet')
    writeFileSync(file, JSON.stringify({ manifest: { read: ['a'] } }))
    git('add', '.')
    git('commit', '--quiet', '-m', 'first')
    expect(await run('HEAD')).toEqual({ code: 0, out: 'The manifest grants what it does at HEAD.\n', err: '' })
    writeFileSync(file, JSON.stringify({ manifest: { read: ['a', 'b'] } }))
    expect(await run('HEAD')).toMatchObject({
      code: 1,
      out: "More is granted than at HEAD:\n  all test files may read 'b'\n",
    })
    writeFileSync(file, JSON.stringify({}))
    expect(await run('HEAD')).toMatchObject({
      code: 0,
      out: "Less is granted than at HEAD:\n  all test files may no longer read 'a'\n",
    })
    writeFileSync(file, JSON.stringify({ manifest: { read: ['a', 'd/'] } }))
    git('commit', '--quiet', '-am', 'second')
    mkdirSync(join(dir, 'd'))
    symlinkSync('/etc', join(dir, 'd/link'))
    writeFileSync(file, JSON.stringify({ manifest: { read: ['a', 'd/', 'd/link/', 'd/e/'] } }))
    expect(await run('HEAD')).toMatchObject({
      code: 1,
      out: "DANGEROUS, and granted, other than at HEAD:\n  all test files may read 'd/link/' with everything below it, which by a link means '/etc/': all of /etc\n",
    })
    writeFileSync(
      file,
      JSON.stringify({ manifest: { read: ['kept/', 'turned/', '!excluded/'], connect: ['unix:s/db'] } }),
    )
    for (const name of ['kept', 'turned', 'excluded', 's']) symlinkSync('old', join(dir, name))
    mkdirSync(join(dir, 'old'))
    writeFileSync(join(dir, 'old/kept'), '')
    git('add', '.')
    git('commit', '--quiet', '-m', 'third')
    expect(await run('HEAD')).toMatchObject({ code: 0 })
    for (const [name, to] of [
      ['turned', '/usr/share'],
      ['excluded', '/usr/lib'],
      ['s', '/run'],
    ] as const) {
      unlinkSync(join(dir, name))
      symlinkSync(to, join(dir, name))
    }
    expect(await run('HEAD')).toMatchObject({
      code: 1,
      out: `More is granted than at HEAD:
  all test files may read 'turned/' with everything below it, which by a link means '/usr/share/'
  for all test files, 'excluded/' is no longer excluded from read, which by a link means '/usr/lib/'
DANGEROUS, and granted, other than at HEAD:
  all test files may connect to 'unix:s/db', which by a link means 'unix:/run/db': a service outside the project acts with rights of its own
`,
    })
    git('checkout', '--quiet', '.')
    mkdirSync(join(dir, 'packages/one'), { recursive: true })
    for (const [name, to] of [
      ['node_modules', '/root'],
      ['.env.test', '../../kept/kept'],
      ['other', '/root'],
    ] as const)
      symlinkSync(to, join(dir, 'packages/one', name))
    git('add', '.')
    expect(await run('HEAD')).toMatchObject({
      code: 1,
      out: `More is granted than at HEAD:
  every run reads 'packages/one/.env.test', which by a link means '${dir}/old/kept'
DANGEROUS, and granted, other than at HEAD:
  every run reads 'packages/one/node_modules', which by a link means '/root': ${homedir() === '/root' ? 'everything below it, your project and more' : 'all of /root'}
`,
    })
    expect(await run('nowhere')).toMatchObject({ code: 2, err: "vitest-seccomp diff: git knows no commit 'nowhere'\n" })
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
