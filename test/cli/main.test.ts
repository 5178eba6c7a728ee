import { expect, test } from 'vitest'
import { main } from '../../src/cli/main.js'

async function said(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const code = await main(args, { out: (text) => void (out += text), err: (text) => void (err += text) })
  return { code, out, err }
}

test('without a command it says which there are', async () => {
  const { code, out } = await said()
  expect(code).toBe(0)
  expect(out).toMatch(
    /^vitest-seccomp <command>\n\n {2}record {4}run the tests and write down what they use\n {2}run {7}run Vitest itself behind the broker/,
  )
})

test('its version', async () => {
  expect((await said('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('each command says how it is used', async () => {
  for (const command of ['record', 'run', 'accept', 'diff', 'explain', 'doctor', 'report']) {
    const { code, out } = await said(command, '--help')
    expect(code).toBe(0)
    expect(out).toMatch(new RegExp(`^vitest-seccomp ${command} `))
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(120)
  }
})

test.each([
  [
    ['recrod'],
    "vitest-seccomp: there is no command recrod; there are 'record', 'run', 'accept', 'diff', 'explain', 'doctor' or 'report'. Did you mean record?",
  ],
  [
    ['record', '--acept-dangerous'],
    'vitest-seccomp record: there is no option --acept-dangerous. Did you mean --accept-dangerous?\n',
  ],
  [
    ['record', 'vitest', 'run'],
    'vitest-seccomp record: the command goes after --: vitest-seccomp record -- vitest run\n',
  ],
  [['doctor', 'now'], 'vitest-seccomp doctor: doctor takes no argument, and this is one: now\n'],
  [
    ['record', '--', '/no/such/program'],
    "vitest-seccomp record: '/no/such/program' cannot be started: spawn /no/such/program ENOENT\n",
  ],
  [['explain'], 'vitest-seccomp explain: one path, address or program is needed; --help says more\n'],
  [['explain', '--filter', '--arch', 'mips'], "vitest-seccomp explain: --arch is 'x64' or 'arm64', not mips\n"],
])('%j is told what is wrong, and ends with 2', async (args, text) => {
  const { code, err } = await said(...args)
  expect(err).toContain(text)
  expect(code).toBe(2)
})

test('the filter as text, for either machine', async () => {
  for (const arch of ['x64', 'arm64']) {
    const { code, out } = await said('explain', '--filter', '--arch', arch)
    expect(code).toBe(0)
    expect(out).toMatch(new RegExp(`(?:unless|if) arch == ${arch} goto`))
    expect(out).toContain('return notify')
  }
})

test('a preset is printed by explain', async () => {
  const { code, out } = await said('explain', '--preset', 'sqlite:a.db')
  expect(code).toBe(0)
  expect(out).toBe(`sqlite:a.db: a database file, and what SQLite keeps beside it
{
  write: ['a.db', 'a.db-journal', 'a.db-wal', 'a.db-shm'],
}
`)
})
