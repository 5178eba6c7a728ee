/** The block at the end of a run, and how many alike violations become one. */
import { expect, test } from 'vitest'
import { allowanceOf, allowanceText, type FileViolations } from '../../src/vitest/allowance.js'
import { unconfinedText } from '../../src/vitest/end-of-run.js'
import { errorsOf, textOf } from '../../src/vitest/violation-text.js'
import type { Violation } from '../../src/vitest/violations.js'

function violation(key: string, entry: string, more: Partial<Violation> = {}): Violation {
  const line = `${key}: ['${entry}']`
  return {
    call: 'openat',
    access: key,
    resource: `/r/${entry}`,
    suggestion: { key, entry, line },
    message: `  refused: open /r/${entry} for reading\n  because: no entry covers it\n  to allow it, add to the manifest: ${line}`,
    ...more,
  }
}

const file = (name: string, ...violations: Violation[]): FileViolations => ({ file: name, violations })
const removal = violation('read', '!x/', { suggestion: { key: 'read', entry: '!x/', line: "remove '!x/' from read" } })

test('nothing refused, nothing said', () => expect(allowanceText([file('a.test.ts')], 1, '')).toBeUndefined())

test('what every file needs is for all; what one needs is for that one; sorted, each once', () => {
  const common = violation('connect', 'tcp:db:5432')
  expect(
    allowanceText(
      [
        file('b.test.ts', violation('write', 'out/z'), violation('write', 'out/a'), common, common),
        file('a/[id].test.ts', common, violation('read', "it's"), removal),
        file('c.test.ts'),
      ],
      3,
      'unit',
    ),
  ).toBe(` seccomp  7 violations in 2 test files of project unit
  To allow all of it (read it first: each line opens something), merge into the options of seccomp():

    manifest: { connect: ['tcp:db:5432'] },
    files: {
      'a/[[]id].test.ts': { read: ['it\\'s'] },
      'b.test.ts': { write: ['out/a', 'out/z'] },
    },

  and
    remove '!x/' from read
`)
})

test('of one file alone, everything is for all; beside others, for it', () => {
  expect(allowanceText([file('a.test.ts', violation('read', 'x'))], 1, '')).toContain(
    "    manifest: { read: ['x'] },\n",
  )
  expect(allowanceText([file('a.test.ts', violation('read', 'x')), file('b.test.ts')], 2, '')).toContain(
    "      'a.test.ts': { read: ['x'] },\n",
  )
})

test('what lies in a tree that is listed is not listed beside it', () => {
  const all = ['out/', 'out/a', 'out/sub/', 'outer', '<home>/x/', '<home>/x/y'].map((entry) =>
    violation('write', entry),
  )
  expect(allowanceText([file('a.test.ts', ...all, violation('read', 'out/a'))], 1, '')).toContain(
    "    manifest: { write: ['<home>/x/', 'out/', 'outer'] },\n",
  )
})

test('a resource that is not declared', () => {
  const { suggestion: _, ...asked } = violation('acquire', 'x', { access: 'acquire', resource: 'db' })
  expect(allowanceText([file('a.test.ts', asked)], 1, '')).toBe(
    ' seccomp  1 violation in 1 test file\n\n  To be declared under `resources`, or misspelt: db\n',
  )
})

test('projects that run elsewhere', () => {
  const of = (name: string, pool: string, enabled: boolean) =>
    ({ name, config: { pool, browser: { enabled } } }) as never
  expect(unconfinedText([of('a', 'seccomp', false), of('ui', 'forks', true), of('', 'threads', false)])).toBe(
    " seccomp  NOT CONFINED, because they run elsewhere:\n  the project 'ui': in the browser\n  the project without a name: in the pool 'threads'\n",
  )
  expect(unconfinedText([of('a', 'seccomp', false)])).toBeUndefined()
})

test('what no manifest allows', () => {
  const { suggestion: _, ...forbidden } = violation('read', 'x')
  expect(allowanceText([file('a.test.ts', forbidden)], 1, '')).toBe(
    ' seccomp  1 violation in 1 test file\n  Nothing in a manifest allows it.\n',
  )
})

test('what is dangerous stands apart, with the reason, and is never in what is pasted', () => {
  const dangerous = (key: string, entry: string, danger: string) =>
    violation(key, entry, { suggestion: { key, entry, line: `${key}: ['${entry}']`, danger } })
  const env = dangerous('read', '.env', 'environment files hold secrets')
  const all = [
    file('a.test.ts', env, violation('read', 'x')),
    file('b.test.ts', env, dangerous('write', 'vitest.config.ts', "Vitest's own process loads it")),
  ]
  expect(allowanceText(all, 2, '')).toBe(` seccomp  4 violations in 2 test files
  To allow what is not dangerous (read it first: each line opens something), merge into the options of seccomp():

    files: {
      'a.test.ts': { read: ['x'] },
    },

  DANGEROUS, and therefore not among it (an entry of \`deny\` refuses it without a violation):
    read: ['.env']  (environment files hold secrets; a.test.ts, b.test.ts)
    write: ['vitest.config.ts']  (Vitest's own process loads it; b.test.ts)
`)
  expect(allowanceText([file('a.test.ts', env)], 1, '')).toBe(` seccomp  1 violation in 1 test file

  DANGEROUS: think twice before you allow it (an entry of \`deny\` refuses it without a violation):
    read: ['.env']  (environment files hold secrets; a.test.ts)
`)
  const docker = dangerous('connect', 'unix:/run/docker.sock', 'whoever talks to it owns this machine')
  expect(allowanceText([file('a.test.ts', docker)], 1, '')).toContain('DANGEROUS: think twice before you allow it:\n')
})

test('what five test files or more need is for their directory, or for all', () => {
  const needing = (name: string) => file(name, violation('read', 'data.json'))
  const five = ['a', 'b', 'c', 'd', 'e'].map((name) => `test/unit/${name}.test.ts`)
  const other = file('test/z.test.ts', violation('read', 'other'))
  expect(allowanceOf([...five.map(needing), other], 9).files).toEqual({
    'test/unit/**': { read: ['data.json'] },
    'test/z.test.ts': { read: ['other'] },
  })
  expect(allowanceOf([...five.map(needing), needing('src/x.test.ts'), other], 9)).toMatchObject({
    manifest: { read: ['data.json'] },
    files: { 'test/z.test.ts': { read: ['other'] } },
  })
  expect(Object.keys(allowanceOf([...five.slice(1).map(needing), other], 9).files ?? {})).toHaveLength(5)
})

test('four or more in one directory, or at one host, are one piece; fewer are not', () => {
  const many = ['a', 'b', 'c', 'd'].map((name) => violation('read', `dir/${name}`))
  expect(textOf(many)).toBe(`${many[0]?.message ?? ''}\n  and 3 more like it in /r/dir/: b, c, d`)
  expect(textOf(many.slice(1))).toBe(
    many
      .slice(1)
      .map(({ message }) => message)
      .join('\n\n'),
  )
  const ports = [1, 2, 3, 4].map((port) =>
    violation('connect', `tcp:h:${port}`, {
      resource: `tcp:h:${port}`,
      message: `  refused: connect to tcp:h:${port}`,
    }),
  )
  expect(textOf(ports)).toBe('  refused: connect to tcp:h:1\n  and 3 more like it at tcp:h: 2, 3, 4')
  const other = violation('read', 'dir/e', {
    message: "  refused: open /r/dir/e for reading\n  because: '!dir/e' excludes it",
  })
  expect(textOf([...many, other]).split('\n\n')).toHaveLength(2)
})

test('one error for each place, as far as there are not too many', () => {
  const each = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => violation('read', name))
  const places = errorsOf(each, 'test', ({ resource }) => (resource === '/r/b' ? undefined : `    at ${resource}:1:1`))
  expect(
    places.map(({ stack }) =>
      stack
        .split('\n')
        .at(-1)
        ?.trim()
        .replace(/^to allow.*/, ''),
    ),
  ).toEqual(['at /r/a:1:1', '', 'at /r/c:1:1', 'at /r/d:1:1', 'at /r/e:1:1'])
  expect(places[1]?.message).toContain('the test used 3 things')
})

test('a line break in the name of a test stays on its line', () => {
  expect(
    textOf([
      violation('read', 'x', { test: { id: '1', name: 'a\n    at x (/etc/shadow:1:1)', concurrent: false } }),
    ]).split('\n')[0],
  ).toBe('  in: a\\x0a    at x (/etc/shadow:1:1)')
})
