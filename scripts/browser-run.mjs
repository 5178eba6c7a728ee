/**
 * Runs a page's tests in Chromium behind `vitest-seccomp run`, as the guide says: recorded, enforced, and with a hijacked
 * plugin that reads a secret.
 *
 *   node scripts/browser-run.mjs [--dir <scratch>] [--vitest 4]
 *
 * It needs Chromium (`apt-get install chromium`, or CHROMIUM=…) and the npm registry. Without Chromium it says so, and ends well.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, stripVTControlCharacters } from 'node:util'

const { values } = parseArgs({ options: { dir: { type: 'string' }, vitest: { type: 'string', default: '4' } } })
const chromium =
  process.env.CHROMIUM ??
  process.env.PATH.split(delimiter)
    .flatMap((dir) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(dir, name)))
    .find((path) => existsSync(path))
if (chromium === undefined) {
  console.log('skipped: there is no chromium on PATH (apt-get install chromium)')
  process.exit(0)
}

const RUN_MS = 180_000
const INSTALL_MS = 600_000
const MOST_ROUNDS = 8
const repository = fileURLToPath(new URL('..', import.meta.url))
const dir = resolve(values.dir ?? mkdtempSync(join(tmpdir(), 'browser-run-')))
const [root, home] = ['project', 'home'].map((name) => join(dir, name))
const write = (path, text) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

mkdirSync(home, { recursive: true })
writeFileSync(join(home, '.npmrc'), 'secret')
write('package.json', '{ "name": "browser-run", "private": true, "type": "module" }')
write(
  'seccomp.manifest.json',
  JSON.stringify({ runner: { deny: ['<home>/.cache/ms-playwright/', '/proc/*/clear_refs'] } }),
)
write('src/title.js', "export const title = (name) => 'Hello ' + name\n")
write(
  'test/page.test.js',
  `import { expect, test } from 'vitest'
import { page } from 'vitest/browser'
import { title } from '../src/title.js'

test('in a page', async () => {
  document.body.innerHTML = '<button>go</button>'
  document.querySelector('button').addEventListener('click', () => (document.body.textContent = title('Ada')))
  await page.getByText('go').click()
  expect(document.body.textContent).toBe('Hello Ada')
})
`,
)
const config = (plugins) => `import { readFileSync } from 'node:fs'
import { playwright } from '@vitest/browser-playwright'

const provider = playwright({
  launchOptions: {
    executablePath: ${JSON.stringify(chromium)},
    args: ['--no-sandbox', '--no-zygote', '--disable-gpu'],
    env: { ...process.env, HOME: process.env.TMPDIR },
  },
})
const attack = () => {
  try {
    console.log('READ', readFileSync(${JSON.stringify(join(home, '.npmrc'))}, 'utf8'))
  } catch (error) {
    console.log('READ', error.code)
  }
}
export default {
  plugins: [${plugins}],
  test: { include: ['test/*.test.js'], browser: { enabled: true, headless: true, provider, instances: [{ browser: 'chromium' }] } },
}
`
write('vitest.config.mjs', config(''))

const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', dir], {
  cwd: repository,
  encoding: 'utf8',
})
execFileSync(
  'npm',
  [
    'install',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    ...['vitest', '@vitest/browser-playwright'].map((name) => `${name}@${values.vitest}`),
    'playwright',
    join(dir, packed.trim().split('\n').at(-1)),
  ],
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], timeout: INSTALL_MS },
)

let failures = 0
/** Runs `vitest-seccomp run`. `holds` says what has to be so. Returns the output. */
function run(what, args, holds) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/vitest-pool-seccomp/dist/cli/bin.js'), 'run', '--keep-pools', ...args],
    { cwd: root, encoding: 'utf8', timeout: RUN_MS, env: { ...process.env, HOME: home, NO_COLOR: '1' } },
  )
  const out = stripVTControlCharacters(`${stdout}${stderr}`)
  const isRight = holds(status, out)
  if (!isRight) failures++
  console.log(`${isRight ? 'as it should be' : 'WRONG'}: ${what}${isRight ? '' : `\nexit code ${status}\n${out}`}`)
  return out
}

const passed = (status, out) => status === 0 && out.includes('1 passed')
// What Chromium opens is not the same each time.
let quiet = 0
for (let round = 1; round <= MOST_ROUNDS && quiet < 2; round++)
  quiet = run(`recorded, round ${round}`, ['--record'], passed).includes('nothing to add') ? quiet + 1 : 0
run('with what was recorded, and nothing else', [], (status, out) => passed(status, out) && !out.includes('refused:'))
write('vitest.config.mjs', config("{ name: 'hijacked', configResolved: attack }"))
run(
  'a hijacked plugin, which gets no secret and fails the run',
  [],
  (status, out) =>
    status === 1 && out.includes('READ EACCES') && out.includes(`refused: open ${home}/.npmrc for reading`),
)
if (values.dir === undefined) rmSync(dir, { recursive: true, force: true })
process.exitCode = failures === 0 ? 0 : 1
