/** What README.md says runs, in a project of its own, as a newcomer would have it. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { main } from '../../src/cli/main.js'
import { parseOptions } from '../../src/policy/schema.js'
import { repository } from '../harness/confined.js'

const readme = readFileSync(join(repository, 'README.md'), 'utf8')

function block(language: string, start: string): string {
  const found = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)].find(([, kind, body]) => kind === language && body?.startsWith(start))
  if (found?.[2] === undefined) throw new Error(`README.md has no ${language} block that starts with ${start}`)
  return found[2]
}

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'readme-')))
const project = join(scratch, 'project')
const home = join(scratch, 'home')
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

function write(path: string, text: string): void {
  mkdirSync(join(project, path, '..'), { recursive: true })
  writeFileSync(join(project, path), text)
}

function vitestIn(cwd: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(repository, 'node_modules/vitest/vitest.mjs'), 'run'], {
      cwd, env: { ...process.env, HOME: home, NO_COLOR: '1' }, timeout: 200_000,
    }, (_error, stdout, stderr) => resolve(stdout + stderr))
  })
}

test('the three minutes: the config of the README catches a snooping test, in the words of the README', async () => {
  write('package.json', '{ "type": "module" }')
  symlinkSync(join(repository, 'node_modules'), join(project, 'node_modules'))
  write('vitest.config.ts', block('ts', '// vitest.config.ts'))
  write('../home/.npmrc', '//registry/:_authToken=secret')
  write('test/fixtures/data.txt', 'data')
  write('test/snoop.test.ts', `import { readFileSync, writeFileSync } from 'node:fs'
    import { homedir, tmpdir } from 'node:os'
    import { expect, test } from 'vitest'
    test('reads a fixture and writes to its own temporary directory', () => {
      writeFileSync(tmpdir() + '/copy', readFileSync(new URL('./fixtures/data.txt', import.meta.url)))
    })
    test('looks into the home directory, and swallows the error', () => {
      try { readFileSync(homedir() + '/.npmrc') } catch { }
    })`)
  const output = await vitestIn(project)
  const promised = block('text', ' FAIL').replaceAll('/home/me', home)
  expect(output).toContain(promised.trimEnd())
  expect(output).toMatch(/Tests +1 failed \| 1 passed/)
})

test('the test that gets a port by name runs', async () => {
  const code = block('ts', '// test/web.test.ts')
  const [, manifest] = /\/\/ manifest: (.*)/.exec(code) ?? []
  write('../named/package.json', '{ "type": "module" }')
  symlinkSync(join(repository, 'node_modules'), join(scratch, 'named/node_modules'))
  write('../named/vitest.config.ts', `import { defineConfig } from 'vitest/config'
    import { seccomp } from 'vitest-pool-seccomp'
    export default defineConfig({ plugins: [seccomp({ manifest: ${manifest} })] })`)
  write('../named/test/web.test.ts', code)
  const output = await vitestIn(join(scratch, 'named'))
  expect(output).toMatch(/Tests +1 passed/)
})

test('the manifest of the README is one', () => {
  const options = block('ts', 'seccomp({').replace(/^seccomp\(/, '(')
  // A literal of the README's: evaluated as the config file that it stands for would be.
  expect(() => parseOptions(new Function(`return ${options}`)())).not.toThrow()
})

test('the commands that it names are scripts of this package', () => {
  const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  for (const [, name] of readme.matchAll(/npm (?:run )?(test|demo)\b/g)) expect(scripts).toHaveProperty(String(name))
})

test('the commands of the CLI that it names are there', async () => {
  const named = [...readme.matchAll(/npx vitest-seccomp (\w+)/g)].map(([, name]) => String(name))
  expect(named.length).toBeGreaterThan(2)
  for (const name of named) expect(await main([name, '--help'], { out: () => {}, err: () => {} }), name).toBe(0)
})
