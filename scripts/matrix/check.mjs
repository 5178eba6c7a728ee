/** Runs a cell's project in both worlds and says what is not as it should be. */
import { readFileSync, readdirSync, existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { run } from './tools.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { KNOWN } = await import(pathToFileURL(join(repository, 'fixtures/targets/transparency/known.mjs')).href)

/** `between`: clears away what the ways out left where nothing confined them. `seconds`: for each world. `more`: for Vitest's command line. */
export async function worlds(place, cell, { as, env, between, seconds = 180, more = [] }) {
  const stock = await world(place, cell, { as, env, seconds, more, config: 'vitest.stock' })
  between()
  return { stock, ours: await world(place, cell, { as, env, seconds, more, config: 'vitest' }) }
}

async function world({ start, packages }, cell, { as, env, config, seconds, more }) {
  for (const dir of packages) {
    for (const name of readdirSync(join(dir, 'scratch')))
      rmSync(join(dir, 'scratch', name), { recursive: true, force: true })
    rmSync(join(dir, 'test/__snapshots__'), { recursive: true, force: true })
  }
  const extension = cell.layout === 'projects' ? 'mjs' : cell.config
  const report = join(start, `.report-${config}.json`)
  rmSync(report, { force: true })
  const vitest = join(start, 'node_modules/vitest/vitest.mjs')
  const args = [
    vitest,
    'run',
    '--config',
    `${config}.config.${extension}`,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...more,
  ]
  // A working directory is never reached through a link: getcwd(2) knows none. A root that is named may be.
  const viaLink = cell.place.endsWith('symlink')
  const [command, ...rest] = [...as, 'node', ...args, ...(viaLink ? ['--root', start] : [])]
  const ended = await run(command, rest, { cwd: viaLink ? dirname(start) : start, env, seconds })
  return {
    ...ended,
    tests: existsSync(report) ? testsIn(report) : undefined,
    ways: waysIn(ended.output),
    outcomes: packages.map((dir) => outcomesIn(join(dir, 'scratch/outcomes.json'))),
  }
}

function testsIn(report) {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'))
  return testResults.flatMap(({ name, status, message, assertionResults }) => [
    { file: fileOf(name), name: '(file)', status, message },
    ...assertionResults.map(({ title, status: of, failureMessages }) => ({
      file: fileOf(name),
      name: title,
      status: of,
      message: failureMessages?.[0],
    })),
  ])
}

const fileOf = (path) => /([\w-]+)\.test\.js$/.exec(path)?.[1] ?? path

function waysIn(output) {
  return output
    .split('\n')
    .filter((line) => line.startsWith('WAY '))
    .map((line) => JSON.parse(line.slice(4)))
}

const outcomesIn = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined)

/**
 * Where a container's profile forbids pidfd_getfd: what the run says of sockets, which everyday tests need them, and which file operations.
 * A server on a path makes a file, which Landlock does not let a worker do by itself.
 */
const SOCKETS = {
  refused: {
    said: 'sockets were refused',
    fail: ['an http server and fetch', 'a unix socket'],
    differ: /^watching: /,
  },
  'left alone': { said: 'SOCKETS WERE NOT CONFINED', fail: ['a unix socket'], differ: /^watching: / },
}

/** Without Landlock nothing holds a program to its grant, so none is run. */
const NO_LANDLOCK = { fail: ['a child process'], differ: /^$/ }
const EVERYTHING = { fail: [], differ: /^$/ }

/** What is wrong, a line each; nothing: the cell is green. */
export function judge({ stock, ours }, { expect, list, secret, outside, sockets, landlock = 'on' }) {
  const wrong = []
  const say = (text) => wrong.push(text)
  judgeStock(stock, { list }, say)
  if (expect === 'unsupported') {
    if (ours.code === 0) say('the run passed, where it should have refused')
    if (!ours.output.includes('cannot confine tests on this machine'))
      say(`does not say what is missing:\n${tail(ours.output)}`)
    if (ours.ways.length > 0) say('tests ran')
    return wrong
  }
  const unconfined = expect === 'unconfined'
  if (unconfined && !ours.output.includes('THESE TESTS ARE NOT CONFINED')) say('does not say that nothing is confined')
  if (ours.tests === undefined) return [...wrong, `no results:\n${tail(ours.output)}`]
  const { said, fail, differ } = SOCKETS[sockets] ?? (landlock === 'off' ? NO_LANDLOCK : EVERYTHING)
  if (said !== undefined && !ours.output.includes(said)) say('does not say what became of sockets')
  for (const { file, name, status, message = '' } of ours.tests) {
    const cannot = fail.length > 0 && file === 'everyday' && [...fail, '(file)'].includes(name)
    if (cannot) {
      if (status !== 'failed') say(`${name}: ${status}, where it is refused`)
      if (name !== '(file)' && !message.includes('EACCES')) say(`${name}: another error than EACCES: ${message}`)
    } else if (file !== 'ways-out' && status !== 'passed')
      say(`${file} > ${name}: ${status}: ${message?.split('\n').slice(0, 4).join(' / ')}`)
    if (file === 'ways-out' && name === '(file)' && !unconfined && status !== 'failed')
      say('the file of the ways out passed')
  }
  if (list) judgeOutcomes(stock, ours, say, differ)
  if (unconfined) return wrong
  for (const { name, got } of ours.ways)
    if (got !== undefined && !(sockets === 'left alone' && name === 'connects')) say(`ESCAPED: ${name}: ${got}`)
  if (ours.ways.length !== stock.ways.length) say(`${ours.ways.length} of ${stock.ways.length} ways out were tried`)
  if (ours.output.includes(secret)) say('ESCAPED: the output shows the secret')
  const made = readdirSync(outside).filter((name) => name !== 'secret.txt')
  if (made.length > 0) say(`ESCAPED: made outside: ${made.join(', ')}`)
  if (!ours.output.includes('SeccompViolation')) say('no violation was reported')
  return wrong
}

function judgeStock(stock, { list }, say) {
  if (stock.tests === undefined) return say(`the stock pool gave no results:\n${tail(stock.output)}`)
  for (const { file, name, status, message } of stock.tests) {
    if (status !== 'passed') say(`in the stock pool already: ${file} > ${name}: ${message?.split('\n')[0]}`)
  }
  if (new Set(stock.tests.map(({ file }) => file)).size !== (list ? 3 : 2)) say('the stock pool ran other files')
  // A way out that is none shows nothing.
  const out = stock.ways.filter(({ got }) => got !== undefined)
  if (out.length < stock.ways.length * 0.75) say(`unconfined, only ${out.length} of ${stock.ways.length} ways lead out`)
}

function judgeOutcomes(stock, ours, say, differ) {
  ours.outcomes.forEach((list, index) => {
    const before = stock.outcomes[index]
    if (list === undefined || before === undefined) return say('the transparency list gave no outcomes')
    const now = new Map(list.map((outcome) => [outcome.name, JSON.stringify(outcome)]))
    for (const outcome of before) {
      if (now.get(outcome.name) !== JSON.stringify(outcome) && !KNOWN.has(outcome.name) && !differ.test(outcome.name)) {
        say(
          `transparency: ${outcome.name}: ${firstDifference(JSON.stringify(outcome), now.get(outcome.name) ?? 'no outcome')}`,
        )
      }
    }
  })
}

function firstDifference(stock, ours) {
  const at = [...stock].findIndex((character, index) => character !== ours[index])
  const around = (text) => text.slice(Math.max(0, at - 60), at + 160)
  return `\n    stock:    …${around(stock)}\n    confined: …${around(ours)}`
}

const tail = (text) => text.slice(-2500)
