/** What the last run refused, taken into the manifest file. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { main } from '../../src/cli/main.js'
import { keepLastRun, readLastRun, type RefusedProject } from '../../src/vitest/last-run.js'

let root = ''
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'accept-')))
  mkdirSync(join(root, 'node_modules'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

async function accept(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) }
  return { code: await main(['accept', '--root', root, ...args], io), out, err }
}

const entry = (key: string, text: string, danger?: string) => ({
  key,
  entry: text,
  line: `${key}: ['${text}']`,
  ...(danger === undefined ? {} : { danger }),
})

const refused = (): RefusedProject => ({
  name: '',
  root,
  manifestFile: './m.json',
  filesInRun: 2,
  files: [
    { file: 'a.test.ts', suggestions: [entry('read', 'x'), entry('read', '.env', 'environment files hold secrets')] },
    { file: 'b.test.ts', suggestions: [entry('read', 'x'), entry('connect', 'tcp:localhost:1')] },
  ],
})

const manifest = (): unknown => JSON.parse(readFileSync(join(root, 'm.json'), 'utf8'))

test('everything but what is dangerous, and that by its name', async () => {
  writeFileSync(join(root, 'm.json'), JSON.stringify({ manifest: { read: ['kept'] } }))
  keepLastRun(root, [refused()])
  const all = await accept('--all')
  expect(all.code).toBe(1)
  expect(all.out).toContain(
    "added\n  read: ['x']  (a.test.ts)\n  read: ['x']  (b.test.ts)\n  connect: ['tcp:localhost:1']  (b.test.ts)\n",
  )
  expect(all.out).toContain(
    "Left to accept, by name:\n  read: ['.env']  (DANGEROUS: environment files hold secrets; a.test.ts)\n",
  )
  expect(manifest()).toEqual({
    manifest: { read: ['kept', 'x'] },
    files: { 'b.test.ts': { connect: ['tcp:localhost:1'] } },
  })
  const named = await accept('.env')
  expect(named.out).toContain("added\n  read: ['.env']  (a.test.ts)\n")
  expect(manifest()).toMatchObject({
    files: { 'a.test.ts': { read: [{ entry: '.env', why: 'DANGEROUS: environment files hold secrets' }] } },
  })
})

test('without a name it says what there is, and writes nothing', async () => {
  keepLastRun(root, [refused()])
  const { code, out } = await accept()
  expect(code).toBe(1)
  expect(out).toBe(`The last run refused this. Accept an entry by its name, or with --all what is not dangerous:
  read: ['x']  (a.test.ts)
  read: ['.env']  (DANGEROUS: environment files hold secrets; a.test.ts)
  read: ['x']  (b.test.ts)
  connect: ['tcp:localhost:1']  (b.test.ts)
`)
  expect(() => manifest()).toThrow('ENOENT')
})

test('what was not refused cannot be accepted', async () => {
  keepLastRun(root, [refused()])
  const { code, err } = await accept('y')
  expect(code).toBe(2)
  expect(err).toContain("the last run did not refuse 'y'; there are\n  read: ['x']  (a.test.ts)\n")
})

test('a run in which nothing was refused leaves nothing, and takes away what another left', async () => {
  keepLastRun(root, [])
  expect(readLastRun(root)).toBeUndefined()
  keepLastRun(root, [refused()])
  keepLastRun(root, [])
  expect(await accept('--all')).toEqual({ code: 0, out: 'The last run refused nothing.\n', err: '' })
})

test('dangers are judged anew: a plugin may have written what the last run is said to have refused', async () => {
  keepLastRun(root, [
    {
      ...refused(),
      files: [{ file: 'a.test.ts', suggestions: [{ key: 'read', entry: '/', line: "read: ['test/data.txt']" }] }],
    },
  ])
  const { out } = await accept('--all')
  expect(out).toContain("read: ['/']  (DANGEROUS: the whole file system; a.test.ts)")
  expect(() => manifest()).toThrow('ENOENT')
})

test('nothing outside the workspace is written, nor anything that is no manifest', async () => {
  keepLastRun(root, [{ ...refused(), manifestFile: '../m.json' }])
  const { code, err } = await accept('--all')
  expect(code).toBe(2)
  expect(err).toContain(`which is not in ${root}`)
  keepLastRun(root, [{ ...refused(), root: '/etc' }])
  expect((await accept('--all')).err).toContain("names '/etc'")
  keepLastRun(root, [{ ...refused(), manifestFile: 'GNUmakefile' }])
  expect((await accept('--all')).err).toContain('which is no manifest file')
  keepLastRun(root, [{ ...refused(), files: [{ file: 'a.test.ts', suggestions: [entry('listen', 'no address')] }] }])
  expect((await accept('--all')).code).toBe(2)
  expect(() => manifest()).toThrow('ENOENT')
})

test('an entry that does not show where it leads is dangerous, whatever the file says that it is read from', async () => {
  mkdirSync(join(root, 'coverage'))
  mkdirSync(join(root, 'src'))
  symlinkSync('../src', join(root, 'coverage/data'))
  symlinkSync('/nowhere', join(root, 'coverage/none'))
  const links = ['coverage/data/', 'coverage/data/x', 'coverage/none/']
  const entries = ['<file>/../../../home/', '<tmp>/../../home/', ...links, './', '**/*.ts', 'package.json']
  const suggestions = [...entries, 'coverage/mine/', '<tmp>/', 'src/'].map((text) => entry('write', text))
  keepLastRun(root, [{ ...refused(), files: [{ file: 'a.test.ts', suggestions }] }])
  const { out } = await accept('--all')
  const left = out.slice(out.indexOf('Left to accept'))
  for (const text of entries) expect(left).toContain(`write: ['${text}']  (DANGEROUS: `)
  for (const text of ['coverage/mine/', '<tmp>/', 'src/']) expect(left).not.toContain(`'${text}'`)
})

test('an entry is judged by what it means in the directory of the manifest file, whatever project it is said to be of', async () => {
  const home = process.env.HOME
  process.env.HOME = dirname(root)
  try {
    writeFileSync(join(root, 'm.json'), '{}')
    mkdirSync(join(root, 'a/b/c'), { recursive: true })
    const files = [{ file: 'x.test.ts', suggestions: [entry('read', '../.config/'), entry('read', '../b/')] }]
    keepLastRun(root, [{ ...refused(), root: join(root, 'a/b/c'), manifestFile: '../../../m.json', files }])
    const { out } = await accept('--all')
    expect(out).toContain("read: ['../.config/']  (DANGEROUS: it lies in your home directory; x.test.ts)")
    expect(out).not.toContain('added')
  } finally {
    process.env.HOME = home
  }
})

test('a socket behind a link, or in a place that an entry does not show, is dangerous', async () => {
  symlinkSync('/run/docker.sock', join(root, 'x.sock'))
  const entries = ['unix:x.sock', 'unix:../../../../../../run/docker.sock', 'unix:/**', 'unix:<file>/x.sock']
  const suggestions = [...entries, 'unix:y.sock'].map((text) => entry('connect', text))
  keepLastRun(root, [{ ...refused(), files: [{ file: 'a.test.ts', suggestions }] }])
  const { out } = await accept('--all')
  for (const text of entries) expect(out).toContain(`connect: ['${text}']  (DANGEROUS: `)
  expect(manifest()).toEqual({ manifest: {}, files: { 'a.test.ts': { connect: ['unix:y.sock'] } } })
})

test('what a plugin wrote in place of the last run writes nothing to the terminal', async () => {
  keepLastRun(root, [refused()])
  writeFileSync(join(root, 'node_modules/.vitest-seccomp/last-run.json'), '[\u001b[2J\u001b[8m')
  const { code, err } = await accept()
  expect(code).toBe(2)
  expect(err).toContain('\\u001b[2J')
  expect(err).not.toContain('\u001b')
})

test('a manifest file behind a link out of the workspace is not written', async () => {
  const outside = realpathSync(mkdtempSync(join(tmpdir(), 'accept-outside-')))
  symlinkSync(join(outside, 'm.json'), join(root, 'm.json'))
  writeFileSync(join(outside, 'm.json'), '{}')
  keepLastRun(root, [refused()])
  const { code, err } = await accept('--all')
  expect(err).toContain('which is not in')
  expect(code).toBe(2)
  expect(readFileSync(join(outside, 'm.json'), 'utf8')).toBe('{}')
  rmSync(outside, { recursive: true })
})

test.each([
  ['deny', '/'],
  ['read', '!src/'],
  ['resources', 'db'],
])('a suggestion that no run makes is not taken: %s %s', async (key, text) => {
  keepLastRun(root, [{ ...refused(), files: [{ file: 'a.test.ts', suggestions: [entry(key, text)] }] }])
  const { code, err } = await accept('--all')
  expect(err).toContain('the last run names')
  expect(code).toBe(2)
  expect(() => manifest()).toThrow('ENOENT')
})
