/** The table against the Vitest that runs. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createMethodsRPC, version, type TestProject } from 'vitest/node'
import { OldNodeError, OldVitestError } from '../../../src/errors.js'
import { refuseOldNode } from '../../../src/project/node-version.js'
import { UnknownMethodError } from '../../../src/vitest/gate/errors.js'
import { methodOf } from '../../../src/vitest/gate/methods.js'
import { checkMethods, OLDER } from '../../../src/vitest/gate/startup.js'
import { adapterFor, ADAPTERS, TESTED } from '../../../src/vitest/versions/index.js'

/** As much of a project as the function looks at before it returns its methods. */
const project = { name: '', config: {}, vitest: { state: { metadata: {} } } } as unknown as TestProject

// In a process of its own, from its own packages: fixtures/vitest3 is installed before the tests.
const askVitest3 = `import { createMethodsRPC, version } from 'vitest/node'
console.log(JSON.stringify({ version, methods: Object.keys(createMethodsRPC(${JSON.stringify(project)}, {})) }))`
const vitest3: { version: string; methods: string[] } = JSON.parse(
  execFileSync(process.execPath, ['--input-type=module', '-e', askVitest3], {
    cwd: join(import.meta.dirname, '../../../fixtures/vitest3'),
    encoding: 'utf8',
  }),
)

test.each([{ version, methods: Object.keys(createMethodsRPC(project)) }, vitest3])(
  'there is a row for each method of Vitest $version, and no other',
  (its) => {
    const minor = its.version.split('.').slice(0, 2).join('.')
    // Not there, `node scripts/vitest3.mjs` installs it.
    if (its === vitest3) expect(minor).toBe('3.2')
    const known = adapterFor(its.version).methods
    const expected = Object.keys(known).filter((name) => (known[name]?.since ?? minor) <= minor)
    expect(its.methods.sort()).toEqual(expected.sort())
    expect(checkMethods(its.methods, its.version)).toBeUndefined()
  },
)

test('a method of another major version is none', () => {
  expect(Object.keys(adapterFor('4.1.0').methods)).not.toContain('resolveId')
  expect(Object.keys(adapterFor('3.2.0').methods)).not.toContain('resolve')
  expect(() => checkMethods(['resolveId'], '5.0.0')).toThrow(UnknownMethodError)
})

test('of a major version without an adapter, no method is known', () => {
  expect(() => checkMethods(['fetch'], '6.0.0')).toThrow(UnknownMethodError)
  expect(() => checkMethods(['fetch'], 'constructor')).toThrow(UnknownMethodError)
})

test('each adapter says what it was tested with: minor versions of its own major one', () => {
  for (const [major, { tested }] of Object.entries(ADAPTERS))
    expect(tested.map((one) => one.split('.')[0])).toEqual(tested.map(() => major))
})

test('a method without a row stops the start, and is named with the version', () => {
  expect(() => checkMethods(['fetch', 'readAnything'], '5.2.0')).toThrow(UnknownMethodError)
  expect(() => checkMethods(['fetch', 'readAnything'], '5.2.0')).toThrow(
    /Vitest 5\.2\.0 lets workers call .*: readAnything\./,
  )
  expect(() => checkMethods(['constructor'], version)).toThrow(UnknownMethodError)
})

test('a version that was not tested is said to be none of those', () => {
  expect(checkMethods(['fetch'], '5.2.0')).toBe(
    `vitest-pool-seccomp is tested with Vitest ${TESTED.join(', ')}, and this is 5.2.0.`,
  )
  expect(checkMethods(['fetch'], '4.1.12')).toBeUndefined()
})

test.each(['1.6.0', '2.1.9', '3.0.9', '3.1.4', '4.0.18'])('Vitest %s is older than any that is taken', (old) => {
  expect(OLDER.test(old)).toBe(true)
  expect(new OldVitestError(old).message).toMatch(
    /^vitest-pool-seccomp needs Vitest 3\.2, 4\.1 or 5, and this is [\d.]+\. Write:\n {2}npm install --save-dev vitest@[34]\.[12]$/,
  )
})

test.each(['3.2.0', '3.2.6', '4.1.0', '4.10.0', '5.0.5', '6.0.0'])('Vitest %s is not', (running) =>
  expect(OLDER.test(running)).toBe(false),
)

test('Node 18 is refused, and what package.json names is not', () => {
  expect(() => refuseOldNode('18.20.8')).toThrow(new OldNodeError('18.20.8'))
  expect(new OldNodeError('18.20.8').message).toBe('vitest-pool-seccomp needs Node 20 or newer, and this is 18.20.8.')
  for (const running of ['20.0.0', '24.1.0', '100.0.0']) expect(() => refuseOldNode(running)).not.toThrow()
})

test('no module asks by name for what Node 20.0 lacks, because nothing could be said before it is linked', () => {
  const later =
    /\b(?:parseEnv|styleText|getCallSites?|getSystemErrorMessage|registerHooks|findPackageJSON|enableCompileCache|stripTypeScriptTypes|glob(?:Sync)?|mkdtempDisposable\w*)\b/
  const src = join(import.meta.dirname, '../../../src')
  const asked = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => [...readFileSync(join(src, name), 'utf8').matchAll(/^import \{([^}]*)\} from 'node:/gm)])
    .filter(([, names = '']) => later.test(names))
  expect(asked.map(([line]) => line)).toEqual([])
})

test('names of Object.prototype have no row', () => {
  for (const name of Object.getOwnPropertyNames(Object.prototype))
    for (const { methods } of Object.values(ADAPTERS)) expect(methodOf(name, methods)).toBeUndefined()
})

test('the peer range is what the table covers', () => {
  const { peerDependencies }: { peerDependencies: { vitest: string } } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'),
  )
  const majors = new Set(TESTED.map((tested) => tested.split('.')[0]))
  expect(new Set([...peerDependencies.vitest.matchAll(/\^(\d+)/g)].map(([, major]) => major))).toEqual(majors)
})
