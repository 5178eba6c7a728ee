/** `vitest-seccomp run` on a terminal: its keys, signals and job control, as Vitest has them by itself. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { project, start, startConfined, vitestMajor, type Project, type Started } from './run-vitest.js'

const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0

const ON_TERMINAL = { onTerminal: true }

class Terminal implements Disposable {
  readonly #run: Started

  constructor(at: Project, how: 'stock' | 'pool' | 'run', args: readonly string[]) {
    const env = how === 'pool' ? { E2E_POOL: '1' } : {}
    this.#run = how === 'run' ? startConfined(at, args, ON_TERMINAL) : start(at, args, { ...ON_TERMINAL, env })
  }

  #order(text: string): void {
    this.#run.child.stdin?.write(`${text}\n`)
  }

  type(keys: string): void {
    this.#order(`type ${JSON.stringify(keys)}`)
  }

  signal(name: NodeJS.Signals, whom: 'job' | 'group' | 'vitest'): void {
    this.#order(`signal ${name} ${whom}`)
  }

  foreground(): void {
    this.#order('foreground')
  }

  output(): string {
    return this.#run.output()
  }

  printed(text: string | RegExp, times?: number): Promise<void> {
    return this.#run.printed(text, times)
  }

  /** How often it was asked, this time included. */
  async mode(times: number): Promise<string | undefined> {
    this.#order('mode')
    await this.printed(/\[terminal\] (?:raw|canonical)/, times)
    return /\[terminal\] (raw|canonical)(?![^]*\[terminal\] (?:raw|canonical))/.exec(this.#run.output())?.[1]
  }

  /** `exited 0`, `killed 9`; and how the terminal was set then. */
  async end(): Promise<{
    readonly how: string | undefined
    readonly mode: string | undefined
    readonly left: readonly string[]
  }> {
    const { out, leftovers } = await this.#run.finished
    const [, how, mode] = /\[terminal\] ((?:exited|killed) \d+)\s+\[terminal\] (\w+)/.exec(out) ?? []
    return { how, mode, left: leftovers.processes }
  }

  [Symbol.dispose](): void {
    this.#run[Symbol.dispose]()
  }
}

/** With a test that does not end by itself. */
function hanging(): Project {
  const at = project('e2e-run')
  at.write(
    'test/ok.test.mjs',
    `import { test } from 'vitest'
test('hangs', async () => {
  console.log('hangs now')
  await new Promise((done) => setTimeout(done, 50_000))
}, 60_000)`,
  )
  return at
}

const WAITS = 'press q to quit'

// Skipped where there is no python3 to open a terminal with.
describe.runIf(hasPython && vitestMajor > 3)('on a terminal', () => {
  test.each(['stock', 'run'] as const)(
    '%s: keys of watch mode work, and the terminal is as before at the end',
    async (how) => {
      using at = project('e2e-run')
      using terminal = new Terminal(at, how, how === 'stock' ? ['watch'] : ['--watch'])
      await terminal.printed(WAITS)
      expect(await terminal.mode(1)).toBe('raw')
      terminal.type('a')
      await terminal.printed('1 passed', 2)
      await terminal.printed(WAITS, 2)
      terminal.type('q')
      expect(await terminal.end()).toEqual({ how: 'exited 0', mode: 'canonical', left: [] })
    },
  )

  test.each(['stock', 'run'] as const)('%s: Ctrl-C ends watch mode', async (how) => {
    using at = project('e2e-run')
    using terminal = new Terminal(at, how, how === 'stock' ? ['watch'] : ['--watch'])
    await terminal.printed(WAITS)
    terminal.type('\x03')
    expect(await terminal.end()).toEqual({ how: 'exited 130', mode: 'canonical', left: [] })
  })

  test.each([
    ['stock', '\x03'],
    ['run', '\x03'],
    ['run', '\x03\x03'],
  ] as const)('%s: Ctrl-C ends a run, once or twice: %j', async (how, keys) => {
    using at = hanging()
    using terminal = new Terminal(at, how, how === 'stock' ? ['run'] : [])
    await terminal.printed('hangs now')
    terminal.type(keys)
    expect(await terminal.end()).toEqual({ how: 'exited 130', mode: 'canonical', left: [] })
  })

  test('what a test tells the terminal does not hide what it was refused', async () => {
    using at = project('e2e-run')
    at.write(
      'test/ok.test.mjs',
      `import { readFileSync, writeSync } from 'node:fs'
import { test } from 'vitest'
test('conceals what follows', () => {
  writeSync(1, '\\x1b[8m')
  try { readFileSync('/etc/shadow') } catch {}
})`,
    )
    using terminal = new Terminal(at, 'pool', ['run'])
    await terminal.printed('1 violation in 1 test file')
    // Colors, and with them concealed text, are left out of the output here.
    expect(terminal.output()).toContain('\u001b[!p\u000f seccomp  1 violation')
    await terminal.end()
  })

  test.each(['stock', 'run'] as const)('%s: Ctrl-Z stops it, fg lets it go on', async (how) => {
    using at = hanging()
    using terminal = new Terminal(at, how, how === 'stock' ? ['run'] : [])
    await terminal.printed('hangs now')
    terminal.type('\x1a')
    await terminal.printed('[terminal] stopped')
    terminal.foreground()
    terminal.signal('SIGTERM', 'group')
    expect(await terminal.end()).toMatchObject({ mode: 'canonical', left: [] })
  })

  test('SIGINT and SIGQUIT reach Vitest once, whether they are for the command, the group or of the keyboard', async () => {
    using at = hanging()
    at.write(
      'vitest.config.mjs',
      `import { writeSync } from 'node:fs'
process.removeAllListeners('SIGINT')
for (const name of ['SIGINT', 'SIGQUIT']) process.on(name, () => writeSync(2, 'Vitest got ' + name + '\\n'))
// Vitest 5 listens later, and ends with the second one.
const { on } = process
process.on = process.once = (name, ...rest) => (name === 'SIGINT' ? process : on.call(process, name, ...rest))
export default { test: { include: ['test/ok.test.mjs'] } }`,
    )
    using terminal = new Terminal(at, 'run', [])
    await terminal.printed('hangs now')
    terminal.signal('SIGINT', 'job')
    await terminal.printed('Vitest got SIGINT', 1)
    terminal.signal('SIGINT', 'group')
    await terminal.printed('Vitest got SIGINT', 2)
    // What the command passes on comes in order: after this one nothing is to come of those before.
    terminal.signal('SIGQUIT', 'job')
    await terminal.printed('Vitest got SIGQUIT', 1)
    terminal.type('\x03')
    await terminal.printed('Vitest got SIGINT', 3)
    terminal.signal('SIGQUIT', 'job')
    await terminal.printed('Vitest got SIGQUIT', 2)
    terminal.type('\x1c')
    await terminal.printed('Vitest got SIGQUIT', 3)
    terminal.signal('SIGINT', 'job')
    await terminal.printed('Vitest got SIGINT', 4)
    terminal.signal('SIGTERM', 'job')
    expect(await terminal.end()).toMatchObject({ left: [] })
    expect([...terminal.output().matchAll(/Vitest got (\w+)/g)].map(([, name]) => name)).toEqual([
      'SIGINT',
      'SIGINT',
      'SIGQUIT',
      'SIGINT',
      'SIGQUIT',
      'SIGQUIT',
      'SIGINT',
    ])
  })

  test.each([
    ['SIGTERM', 'group'],
    ['SIGTERM', 'job'],
    ['SIGHUP', 'job'],
  ] as const)('%s to the %s ends all of it', async (signal, whom) => {
    using at = hanging()
    using terminal = new Terminal(at, 'run', [])
    await terminal.printed('hangs now')
    terminal.signal(signal, whom)
    expect(await terminal.end()).toEqual({ how: expect.stringMatching(/exited 1\d\d/), mode: 'canonical', left: [] })
  })

  test('nobody types on it in the place of the user', async () => {
    using at = project('e2e-run')
    at.write(
      'vitest.config.mjs',
      `import { attack } from './attacks.mjs'
export default { test: { include: ['test/ok.test.mjs'] }, plugins: [{ name: 'attacker', configResolved: attack }] }`,
    )
    using terminal = new Terminal(at, 'run', [])
    await terminal.printed(/"typing on the terminal":"(?:EPERM|EACCES|MODULE_NOT_FOUND)"/)
    expect(await terminal.end()).toEqual({ how: 'exited 1', mode: 'canonical', left: [] })
  })

  test('a Vitest that is killed leaves the terminal as it was', async () => {
    using at = project('e2e-run')
    using terminal = new Terminal(at, 'run', ['--watch'])
    await terminal.printed(WAITS)
    expect(await terminal.mode(1)).toBe('raw')
    terminal.signal('SIGKILL', 'vitest')
    expect(await terminal.end()).toEqual({ how: 'exited 137', mode: 'canonical', left: [] })
  })
})
