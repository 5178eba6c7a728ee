// Projects whose tests run programs of others: what those open by themselves, and which of the system's they start, is recorded as well.
const test = (name, body, imports = '') =>
  `import { expect, test } from 'vitest'\n${imports}\ntest(${JSON.stringify(name)}, async () => {\n${body}\n}, 60_000)\n`

const RUN = "import { execFileSync } from 'node:child_process'"
const run = (program, args) => `execFileSync(${JSON.stringify(program)}, ${JSON.stringify(args)}, { encoding: 'utf8' })`
const TYPED = {
  'tsconfig.json': '{ "compilerOptions": { "strict": true, "noEmit": true, "types": [] }, "include": ["src"] }\n',
  'src/right.ts': 'export const one: number = 1\n',
  'wrong/wrong.ts': "export const one: number = 'one'\n",
}
const typeChecks = {
  'test/right.test.js': test('checks', `  ${run('node_modules/.bin/tsc', ['-p', '.'])}`, RUN),
  'test/wrong.test.js': test(
    'finds what is wrong',
    `  expect(() => ${run('node_modules/.bin/tsc', ['--noEmit', '--types', '', 'wrong/wrong.ts'])}).toThrow()`,
    RUN,
  ),
}

export const programs = {
  esbuild: {
    packages: { esbuild: '^0.28' },
    files: {
      'src/main.ts': "import { name } from './name.ts'\nconsole.log(name as string)\n",
      'src/name.ts': "export const name = 'a name'\n",
      'test/sync.test.js': test(
        'builds',
        `  const { outputFiles } = buildSync({ entryPoints: ['src/main.ts'], bundle: true, write: false })
  expect(outputFiles[0].text).toContain('a name')`,
        "import { buildSync } from 'esbuild'",
      ),
      'test/async.test.js': test(
        'builds to a directory',
        `  const outdir = mkdtempSync(join(tmpdir(), 'out-'))
  await build({ entryPoints: ['src/main.ts'], bundle: true, outdir })
  expect(readFileSync(join(outdir, 'main.js'), 'utf8')).toContain('a name')`,
        "import { mkdtempSync, readFileSync } from 'node:fs'\nimport { tmpdir } from 'node:os'\nimport { join } from 'node:path'\nimport { build } from 'esbuild'",
      ),
    },
  },
  workerd: {
    packages: { workerd: '^1.20261117.1' },
    files: {
      'src/worker.js': 'export const adds = { test() { if (1 + 1 !== 2) throw new Error() } }\n',
      'src/config.capnp': `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker", esModule = embed "worker.js")],
    compatibilityDate = "2024-09-02",
  ))],
);
`,
      'test/worker.test.js': test('runs', `  ${run('node_modules/.bin/workerd', ['test', 'src/config.capnp'])}`, RUN),
    },
  },
  'tsc-5': {
    packages: { typescript: '~5.9.0' },
    files: {
      ...TYPED,
      ...typeChecks,
      'test/api.test.js': test(
        'transpiles',
        "  expect(ts.transpileModule('const one: number = 1', {}).outputText).toContain('= 1')",
        "import ts from 'typescript'",
      ),
    },
  },
  'tsc-7': { packages: { typescript: '^7' }, files: { ...TYPED, ...typeChecks } },
  prettier: {
    packages: { prettier: '^3' },
    files: {
      'src/ugly.js': 'const  a=1\n',
      '.prettierrc': '{ "semi": false }\n',
      'test/api.test.js': test(
        'formats',
        "  expect(await format(readFileSync('src/ugly.js', 'utf8'), { ...(await resolveConfig('src/ugly.js')), parser: 'babel' })).toBe('const a = 1\\n')",
        "import { readFileSync } from 'node:fs'\nimport { format, resolveConfig } from 'prettier'",
      ),
      'test/command.test.js': test(
        'formats',
        `  expect(${run('node_modules/.bin/prettier', ['src/ugly.js'])}).toBe('const a = 1\\n')`,
        RUN,
      ),
    },
  },
  git: {
    packages: {},
    files: {
      'test/git.test.js': test(
        'commits and clones',
        `  const dir = mkdtempSync(join(tmpdir(), 'repo-'))
  const git = (...args) => execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: dir, encoding: 'utf8' })
  git('init', '--quiet', 'one')
  writeFileSync(join(dir, 'one/a.txt'), 'a')
  git('-C', 'one', 'add', '.')
  git('-C', 'one', 'commit', '--quiet', '-m', 'first')
  git('clone', '--quiet', 'one', 'other')
  expect(git('-C', 'other', 'log', '--format=%s').trim()).toBe('first')`,
        `${RUN}\nimport { mkdtempSync, writeFileSync } from 'node:fs'\nimport { tmpdir } from 'node:os'\nimport { join } from 'node:path'`,
      ),
    },
  },
  sharp: {
    packages: { sharp: '^0.35' },
    files: {
      'test/resize.test.js': test(
        'resizes',
        `  const image = sharp({ create: { width: 40, height: 20, channels: 3, background: 'red' } })
  expect(await sharp(await image.png().toBuffer()).resize(10).toBuffer({ resolveWithObject: true })).toMatchObject({ info: { width: 10, height: 5 } })`,
        "import sharp from 'sharp'",
      ),
      'test/text.test.js': test(
        'writes with a font of the system',
        "  const { info } = await sharp({ text: { text: 'Hello', font: 'sans', dpi: 200 } }).png().toBuffer({ resolveWithObject: true })\n  expect(info.width).toBeGreaterThan(20)",
        "import sharp from 'sharp'",
      ),
    },
  },
  python: {
    packages: {},
    files: {
      'tool.py':
        'import json, sqlite3, sys, tempfile\nwith tempfile.TemporaryFile() as file:\n    file.write(b"x")\nprint(json.dumps(sqlite3.connect(":memory:").execute("select 1 + 1").fetchone()))\n',
      'test/tool.test.js': test('runs', `  expect(${run('python3', ['tool.py'])}.trim()).toBe('[2]')`, RUN),
    },
  },
}
