// node scripts/steady.mjs [--runs 20] [--busy 10] [--times 1] [--minutes 60] [test files and arguments of Vitest]
//
// Runs this repository's tests that many times in a row, the last ones of them while every CPU is kept busy by something else, and
// prints each failure. `--times`: busy processes for each CPU. `--minutes`: no run may take longer. What npm test does before
// its tests is done once.
import { readFileSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { keepBusy } from './busy.mjs'
import { run } from './suites/checkout.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '20' },
    busy: { type: 'string', default: '10' },
    times: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '60' },
  },
})
const [runs, busyRuns, times, minutes] = [values.runs, values.busy, values.times, values.minutes].map(Number)
const repository = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const dir = mkdtempSync(path.join(tmpdir(), 'steady-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

for (const script of ['build.mjs', 'vitest3.mjs']) await must([path.join(repository, 'scripts', script)])

let failedRuns = 0
/** By name of the test: in how many runs it failed. */
const unsteady = new Map()
for (let number = 1; number <= runs; number++) {
  const busy = number > runs - busyRuns ? await keepBusy(times) : undefined
  const report = path.join(dir, `${number}.json`)
  const began = performance.now()
  const { code, signal, output } = await run(
    process.execPath,
    [
      path.join(repository, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...positionals,
    ],
    { cwd: repository, timeout: minutes * 60_000, env: { ...process.env, NO_COLOR: '1' } },
  )
  const load = loadavg()[0].toFixed(1)
  busy?.stop()
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  const { failures, passed } = failuresIn(report)
  const isGreen = code === 0 && failures.length === 0 && passed > 0
  if (!isGreen) failedRuns++
  console.log(
    `${number}: ${isGreen ? 'green' : `RED (${signal ?? code})`}, ${passed} passed, ${seconds} s, load ${load}${busy === undefined ? '' : `, ${busy.count} busy processes`}`,
  )
  for (const { name, message } of failures) {
    unsteady.set(name, (unsteady.get(name) ?? 0) + 1)
    console.log(`   ${name}\n${message.replace(/^/gm, '     ')}`)
  }
  // A file that failed as a whole may say why in the output alone.
  if (!isGreen && (failures.length === 0 || failures.some(({ message }) => message.trim() === '')))
    console.log(output.slice(-20_000))
}
console.log(
  `\n${runs - failedRuns} of ${runs} runs were green, ${Math.min(busyRuns, runs)} of them with every CPU kept busy`,
)
for (const [name, count] of [...unsteady].toSorted((a, b) => b[1] - a[1])) console.log(`  ${count} × ${name}`)
process.exit(failedRuns === 0 ? 0 : 1)

async function must(args) {
  const { code, output } = await run(process.execPath, args, { cwd: repository, timeout: 600_000 })
  if (code === 0) return
  console.error(output)
  process.exit(1)
}

/** A file that failed as a whole is a failure as well; a run that was cut off has no report. */
function failuresIn(report) {
  let results
  try {
    results = JSON.parse(readFileSync(report, 'utf8'))
  } catch (error) {
    return { failures: [], passed: 0, error }
  }
  const failures = results.testResults.flatMap(({ name: file, status, message, assertionResults }) => {
    const shown = path.relative(repository, file)
    const failed = assertionResults.filter((one) => one.status === 'failed')
    return failed.length === 0 && status === 'failed'
      ? [{ name: shown, message }]
      : failed.map((one) => ({ name: `${shown} > ${one.fullName}`, message: one.failureMessages.join('\n') }))
  })
  return { failures, passed: results.numPassedTests }
}
