/** What people read of a violation: the place in their code, the test, the block at the end; with every reporter. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { fileOf } from './json-report.js'
import { nodeBin, project, run, vitest, vitestBin, vitestMajor, type Finished, type Report } from './run-vitest.js'

describe('in the terminal', () => {
  let report: Report
  beforeAll(async () => {
    using at = project('e2e-messages')
    report = await run(at)
  })
  /** The part of the output that is about one test. */
  const about = (name: string): string =>
    report.out
      .split(/^ FAIL {2}/m)
      .filter((part) => part.startsWith(`test/places.test.ts > ${name}\n`))
      .join('\n')

  test.each([
    ['thrown', ['HERE thrown']],
    ['swallowed', ['HERE swallowed']],
    ['written', ['HERE written']],
    ['two places', ['HERE one', 'HERE two']],
    ['a program, waited for', ['HERE spawnSync']],
    ['a program', ['HERE spawn']],
    ['thrown by a program', ['HERE execFileSync']],
    ['many', ['HERE many']],
  ])('%s: the lines of the source', (name, marks) => {
    const source = readFileSync(
      join(import.meta.dirname, '../../fixtures/projects/e2e-messages/test/places.test.ts'),
      'utf8',
    ).split('\n')
    const lines = marks.map((mark) => source.findIndex((line) => line.endsWith(`// ${mark}`)) + 1)
    // The first frame, which is the one with the excerpt.
    const told = [...about(name).matchAll(/^ ❯ (?!swallowed).*?test\/places\.test\.ts:(\d+):\d+\n\s+\d+\|/gm)].map(
      ([, line]) => Number(line),
    )
    expect(told).toEqual(lines)
  })

  test('a refusal that the test does not catch is told once, in our words', () => {
    expect(about('thrown')).toContain("to allow it, add to the manifest: read: ['secrets/thrown.txt']")
    expect(report.out).not.toContain('permission denied')
    expect(report.out).not.toMatch(/spawn\w* \w+ EACCES/)
    expect(report.out).not.toContain('Serialized Error')
  })

  test('a refusal while a file is collected stands in its own lines only', async () => {
    using at = project('e2e-messages')
    at.write(
      'test/collected.test.ts',
      "import { mkdirSync } from 'node:fs'\nimport { describe, test } from 'vitest'\n" +
        "describe('suite', () => {\n  mkdirSync('out')\n  test('never runs', () => {})\n})\n",
    )
    const { out } = await vitest(at, ['run', 'collected'])
    expect(out).toContain("to allow it, add to the manifest: write: ['out/']\n ❯ test/collected.test.ts:4:3\n")
    expect(out).not.toMatch(/❯ .*vitest-pool-seccomp/)
  })

  test('alike ones are told in one piece', () => {
    expect(about('many')).toMatch(
      /read: \['secrets\/many\/1\.txt'\]\n {2}and 7 more like it in .*\/secrets\/many\/: 2\.txt, 3\.txt, 4\.txt, 5\.txt, 6\.txt, …\n/,
    )
  })

  test('what cannot be placed in the code is still placed in its test', () => {
    expect(about('asynchronous')).toContain("read: ['secrets/async.txt']")
    expect(about('imported')).toContain("read: ['secrets/imported.txt']")
  })

  test('of tests that run at the same time, a synchronous call is the right one', () => {
    expect(report.out).toMatch(
      /FAIL {2}test\/concurrent\.test\.ts > together > first\n(?:.*\n){4} ❯ test\/concurrent\.test\.ts:13:7/,
    )
  })

  test('and of an asynchronous one it is said that it may have been another', () => {
    expect(report.out).toMatch(
      /FAIL {2}test\/concurrent\.test\.ts > together > fourth\n(?:.*\n){3}.*secrets\/two\.txt'\]\n {2}\(tests ran concurrently: it may have been another one that ran then\)\n/,
    )
  })

  test('a worker cannot have a file shown by what it says of its stack, or by a name', () => {
    expect(fileOf(report.json, 'hostile.test.mjs').status).toBe('failed')
    expect(report.out).not.toContain('the content of hostile')
    expect(report.out).toMatch(/ ❯ kept test\/hostile\.test\.mjs:7:10/)
  })

  test('at the end, one block allows everything', () => {
    const block = report.out.slice(report.out.indexOf(' seccomp  '))
    expect(block).toContain(` seccomp  23 violations in 3 test files
  To allow all of it (read it first: each line opens something), merge into the options of seccomp():

    files: {
      'test/concurrent.test.ts': { read: ['secrets/one.txt', 'secrets/two.txt'] },
      'test/hostile.test.mjs': {
        list: ['secrets/many/'],
        read: ['secrets/hostile.txt'],
      },
      'test/places.test.ts': {
        read: [
          'secrets/async.txt',
          'secrets/imported.txt',
`)
    expect(block).toContain(
      "        write: ['secrets/written.txt'],\n        exec: ['sh', 'uname'],\n        listen: ['tcp:127.0.0.1:12345'],\n      },\n    },\n",
    )
  })

  test('and with that block the run passes', async () => {
    using at = project('e2e-messages')
    const block =
      report.out
        .slice(report.out.indexOf('    files: {'))
        .split('\n\n')[0]
        ?.split('\n')
        .filter((line) => line.startsWith('    '))
        .join('\n') ?? ''
    at.write(
      'vitest.config.mjs',
      `
      import { defineConfig } from 'vitest/config'
      import { seccomp } from 'vitest-pool-seccomp'
      export default defineConfig({ plugins: [seccomp({ ${block} })] })`,
    )
    const second = await run(at)
    expect(second.out).not.toContain('SeccompViolation')
    expect(second.code).toBe(0)
  })
})

describe('with other reporters', () => {
  const said = "read: ['secrets/thrown.txt']"
  let finished: Finished
  const hasUi = existsSync(join(dirname(vitestBin), '../@vitest/ui'))
  let files: Record<'json' | 'junit' | 'html', string>
  beforeAll(async () => {
    using at = project('e2e-messages')
    finished = await vitest(at, [
      'run',
      'places',
      '--reporter=dot',
      '--reporter=github-actions',
      '--reporter=json',
      '--outputFile.json=out.json',
      '--reporter=junit',
      '--outputFile.junit=out.xml',
      ...(hasUi ? ['--reporter=html', '--outputFile.html=page/index.html'] : []),
    ])
    files = {
      json: at.read('out.json'),
      junit: at.read('out.xml'),
      html: hasUi
        ? gunzipSync(
            readFileSync(join(at.root, vitestMajor < 5 ? 'page' : '.vitest/ui', 'html.meta.json.gz')),
          ).toString()
        : '',
    }
  })

  test('dot', () => {
    expect(finished.code).toBe(1)
    expect(finished.out).toContain(`manifest: ${said}\n ❯ test/places.test.ts:24:3\n`)
    expect(finished.out).toContain(' seccomp  19 violations in 1 test file\n')
  })

  test('github-actions puts it beside the line', () => {
    expect(finished.out).toMatch(
      /^::error file=.*\/test\/places\.test\.ts,title=.*thrown,line=24,column=3::SeccompViolation: .*secrets\/thrown\.txt/m,
    )
  })

  test('json', () => {
    const {
      testResults: [file],
    } = JSON.parse(files.json)
    const thrown = file.assertionResults.find(({ title }: { title: string }) => title === 'thrown')
    expect(thrown.failureMessages).toHaveLength(1)
    expect(thrown.failureMessages[0]).toContain(said)
    expect(thrown.failureMessages[0]).toMatch(/\n {4}at .*test\/places\.test\.ts:24:3/)
  })

  test('junit', () =>
    expect(files.junit).toMatch(/<failure message="[^"]*secrets\/thrown\.txt[^"]*" type="SeccompViolation">/))
  test.skipIf(!hasUi)('html: in what its page shows (where @vitest/ui is installed)', () =>
    expect(files.html).toContain(said),
  )

  test('verbose; and the block is on stderr, so that json may be on stdout', async () => {
    using at = project('e2e-messages')
    const { out } = await vitest(at, ['run', 'places', '-t', 'thrown', '--reporter=verbose'])
    expect(out).toContain(`manifest: ${said}`)
    const { stdout } = spawnSync(nodeBin, [vitestBin, 'run', 'places', '-t', 'thrown', '--reporter=json'], {
      cwd: at.root,
      encoding: 'utf8',
    })
    // Vitest 5 writes it to a file of its own choice, and says where.
    const file = /^JSON report written to (.*)$/m.exec(stdout)?.[1]
    expect(JSON.parse(file === undefined ? stdout : readFileSync(file, 'utf8'))).toMatchObject({ success: false })
  })
})
