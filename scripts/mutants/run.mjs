/**
 * Breaks the broker in one named way after the other, in a copy of the tree, and shows which test catches it.
 *
 *   node scripts/mutants/run.mjs [--only 'regular expression on file and name'] [--json FILE]
 *   node scripts/mutants/run.mjs --check
 *
 * A mutant whose text is no longer in the source, or that no test catches, fails the run. --check only says whether each of
 * them still applies: its text is there once, what it makes is TypeScript, its tests exist. `npm run lint` does that.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { transform } from 'esbuild'
import { apply } from './apply.mjs'
import { mutants as all } from './mutants.mjs'

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    json: { type: 'string' },
    check: { type: 'boolean', default: false },
  },
})
const mutants = all.filter(({ name, file }) => new RegExp(options.only).test(`${file} ${name}`))
if (options.check) {
  const problems = await problemsOf(mutants)
  console.log([...problems, `${mutants.length} mutants, ${problems.length} that do not apply`].join('\n'))
  process.exit(problems.length === 0 ? 0 : 1)
}
const { bundle } = await import('../bundles.mjs')
/** A mutant may well make a test wait for ever. */
const PATIENCE_MS = 240_000
/** Tests that run what is built. */
const LIVE = /^(?:escape:|test\/(?:broker|e2e|escapes|live|model|sys|transparency)\b)/

const copy = mkdtempSync(join(tmpdir(), 'mutants-'))
const git = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: project,
  encoding: 'utf8',
})
for (const name of git.stdout.split('\0').filter((path) => path !== '' && existsSync(join(project, path)))) {
  mkdirSync(dirname(join(copy, name)), { recursive: true })
  cpSync(join(project, name), join(copy, name))
}
cpSync(join(project, 'node_modules'), join(copy, 'node_modules'), { recursive: true, verbatimSymlinks: true })

async function problemsOf(given) {
  const found = await Promise.all(
    given.map(async (mutant) => {
      const at = `${mutant.file}: ${mutant.name}: `
      const missing = mutant.tests.map(fileOf).filter((file) => !isThere(file))
      if (missing.length > 0) return [`${at}there is no ${missing.join()}`]
      if (!existsSync(join(project, mutant.file))) return [`${at}there is no such file`]
      const { problem, mutated } = apply(readFileSync(join(project, mutant.file), 'utf8'), mutant)
      if (problem !== undefined) return [`${at}${problem}`]
      return transform(mutated, { loader: 'ts', logLevel: 'silent' }).then(
        () => [],
        (error) => [`${at}it does not parse: ${error.message}`],
      )
    }),
  )
  return found.flat()
}

/** `escape:dir/name` is a program of the corpus, `file#title` a test of a file. */
function fileOf(name) {
  return name.startsWith('escape:') ? `fixtures/escapes/${name.slice('escape:'.length)}.mjs` : name.split('#')[0]
}

/** A pattern stands for what begins like it. */
function isThere(file) {
  const [start, ...rest] = join(project, file).split('*')
  if (rest.length === 0) return existsSync(start)
  return readdirSync(dirname(start)).some((name) => join(dirname(start), name).startsWith(start))
}

const node = (args, timeout = PATIENCE_MS) =>
  spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8', timeout, killSignal: 'SIGKILL' })

function build() {
  const { status, stdout, stderr } = node(['scripts/build.mjs'])
  if (status !== 0) throw new Error(`the copy does not build: ${stdout}${stderr}`)
}

/** The one file that changed, and the bundles that may hold it. Types are none of a mutant's business. */
async function rebuild(file) {
  const { code } = await transform(readFileSync(join(copy, file), 'utf8'), {
    loader: 'ts',
    format: 'esm',
    target: 'node20',
  })
  writeFileSync(join(copy, 'dist', file.replace(/^src\//, '').replace(/\.ts$/, '.js')), code)
  await bundle(copy, 'dist')
  // In a process of its own, which has not loaded them as they were before.
  const { status, stderr } = node([
    '--input-type=module',
    '-e',
    "await (await import('./scripts/bundles.mjs')).compileFilters('dist')",
  ])
  if (status !== 0) throw new Error(`the filters of a mutant do not compile: ${stderr}`)
}

/** The first test that fails, or undefined. */
function firstFailure(tests) {
  for (const name of tests.filter((test) => test.startsWith('escape:')).map((test) => test.slice('escape:'.length))) {
    const { status, stdout } = node(['scripts/escapes/run.mjs', '--confined-only', '--only', name])
    if (status !== 0) return { by: `${name} ${stdout.includes('ESCAPED') ? 'gets out' : 'ends badly'}`, why: stdout }
  }
  const files = tests.filter((test) => !test.startsWith('escape:') && !test.includes('#'))
  const found = files.length === 0 ? undefined : vitest(files)
  // One test of a file that has many: `file#part of its title`.
  const parts = tests.filter((test) => test.includes('#')).map((test) => test.split('#'))
  return parts.reduce((before, [file, title]) => before ?? vitest([file, '-t', title]), found)
}

function vitest(files) {
  const report = join(copy, 'report.json')
  rmSync(report, { force: true })
  const { signal } = node([
    'node_modules/vitest/vitest.mjs',
    'run',
    '--bail',
    '1',
    '--reporter',
    'json',
    '--outputFile',
    report,
    ...files,
  ])
  if (signal !== null) return { by: 'a test that never ends', why: '' }
  if (!existsSync(report)) return { by: 'the tests do not start', why: '' }
  const { success, testResults } = JSON.parse(readFileSync(report, 'utf8'))
  if (success) return undefined
  for (const { name, assertionResults, message } of testResults) {
    const failure = assertionResults.find(({ status }) => status === 'failed')
    const file = name.slice(copy.length + 1).replace(/^test\//, '')
    if (failure !== undefined) return { by: `${file}: ${failure.title}`, why: failure.failureMessages.join('\n') }
    if (message) return { by: `${file} does not run`, why: message }
  }
  return { by: 'an error outside of any test', why: '' }
}

const began = Date.now()
const unbroken = [...new Set(mutants.flatMap(({ tests }) => tests))]
build()
const ill = firstFailure(unbroken)
if (ill !== undefined) throw new Error(`the tests do not pass without any mutant: ${ill.by}\n${ill.why}`)

const results = []
for (const { name, file, find, replace, tests } of mutants) {
  const path = join(copy, file)
  const source = readFileSync(path, 'utf8')
  const { problem, mutated } = apply(source, { find, replace })
  let result
  if (problem !== undefined) result = { caught: false, by: problem }
  else {
    writeFileSync(path, mutated)
    const isLive = tests.some((test) => LIVE.test(test))
    if (isLive) await rebuild(file)
    const by = firstFailure(tests)?.by
    result = { caught: by !== undefined, by: by ?? '' }
    writeFileSync(path, source)
    if (isLive) await rebuild(file)
  }
  results.push({ name, file, ...result })
  console.log(
    `${result.caught ? 'caught    ' : 'NOT CAUGHT'}  ${file.replace(/^src\//, '').padEnd(28)} ${name}${result.by ? `\n              ${result.by}` : ''}`,
  )
}
rmSync(copy, { recursive: true, force: true })
const left = results.filter(({ caught }) => !caught)
console.log(
  `\n${results.length} mutants, ${results.length - left.length} caught, in ${((Date.now() - began) / 60_000).toFixed(1)} minutes`,
)
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
process.exit(left.length === 0 ? 0 : 1)
