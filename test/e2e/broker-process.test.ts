/** The process that holds the listeners: what it is, what it holds, and every end of it, of Vitest and of a worker. */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  brokersOf,
  carrying,
  nodeBin,
  project,
  run,
  start,
  startConfined,
  vitestMajor,
  type Started,
} from './run-vitest.js'

const status = (pid: number, field: string): string | undefined =>
  new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
const descriptors = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
/** Kinds of what a process has open: `socket`, `anon_inode:[eventfd]`, `/dev/null`. */
const kinds = (pid: number): string[] => [
  ...new Set(descriptors(pid).map((text) => text.replace(/^(socket|pipe):.*/, '$1'))),
]

/** Runs a test that never returns, until it does not return. */
async function looping(
  at: ReturnType<typeof project>,
  begin = start,
): Promise<{ vitest: Started; runner: number; broker: number }> {
  const vitest = begin(at, ['run', 'forever/'])
  await vitest.printed('LOOPING')
  const runner = vitest.child.pid ?? 0
  const [broker = ''] = brokersOf(runner)
  return { vitest, runner, broker: Number.parseInt(broker, 10) }
}

describe('the broker process', () => {
  test('is hard to reach, and Vitest knows nothing of the kernel', async () => {
    using at = project('e2e-crashes')
    const { vitest, runner, broker } = await looping(at)
    using _ = vitest
    expect(readlinkSync(`/proc/${broker}/cwd`)).toBe('/')
    expect(Number(readFileSync(`/proc/${broker}/stat`, 'latin1').split(') ')[1]?.split(' ')[3])).toBe(broker)
    expect(readFileSync(`/proc/${broker}/limits`, 'latin1')).toMatch(/^Max core file size +1 +1 /m)
    // CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, KILL, NET_BIND_SERVICE, SYS_PTRACE.
    if (process.getuid?.() === 0) expect(BigInt(`0x${status(broker, 'CapEff')}`) & ~0x8043fn).toBe(0n)
    const environ = readFileSync(`/proc/${broker}/environ`, 'latin1').split('\0')
    expect(environ.filter((entry) => /^(?:NODE_OPTIONS|VITEST|E2E_RUN|LD_PRELOAD)/.test(entry))).toEqual([])
    expect(readFileSync(`/proc/${runner}/maps`, 'latin1')).not.toContain('koffi')
    expect(readFileSync(`/proc/${broker}/maps`, 'latin1')).toContain('koffi')
    expect(kinds(runner)).not.toContain('anon_inode:seccomp notify')
    expect(kinds(broker)).toContain('anon_inode:seccomp notify')
    vitest.child.kill('SIGKILL')
    await vitest.finished
  })

  test.runIf(vitestMajor > 3)('killed, it ends the run within two seconds, with one sentence', async () => {
    using at = project('e2e-crashes')
    for (const name of ['b', 'c', 'd']) at.write(`forever/${name}.test.mjs`, at.read('forever/loop.test.mjs'))
    const began = performance.now()
    const { vitest, broker } = await looping(at)
    using _ = vitest
    const before = performance.now()
    // Two seconds, and time for Vitest to end: on a busy machine as much as it took to start.
    const limit = 2000 + Math.max(2000, before - began)
    process.kill(broker, 'SIGKILL')
    const { code, out, leftovers } = await vitest.finished
    expect(performance.now() - before).toBeLessThan(limit)
    expect(code).toBe(1)
    expect(out.split('The broker process of vitest-pool-seccomp ended (SIGKILL)')).toHaveLength(2)
    expect(out).not.toContain('Failed to start')
    expect(out).not.toContain('exited unexpectedly')
    expect(leftovers.processes).toEqual([])
  })

  /** A test leaves a process that has left its session and cleared its environment. Resolves when that process runs. */
  async function leaving(at: ReturnType<typeof project>, begin = start) {
    at.write('seccomp.manifest.json', JSON.stringify({ manifest: { exec: [nodeBin] } }))
    at.write(
      'vitest.config.mjs',
      `import { seccomp } from 'vitest-pool-seccomp'
      import { defineConfig } from 'vitest/config'
      export default defineConfig({ plugins: [seccomp({ manifest: './seccomp.manifest.json' })], test: { testTimeout: 60_000 } })`,
    )
    at.write(
      'forever/loop.test.mjs',
      `import { spawn } from 'node:child_process'
      import { test } from 'vitest'
      test('leaves a process that leaves one', async () => {
        const inner = "process.stdout.write('up'); setInterval(() => {}, 1000)"
        const outer = \`const options = { detached: true, env: {}, stdio: ['ignore', 'pipe', 'ignore'] }
        const left = require('node:child_process').spawn(process.execPath, ['-e', \${JSON.stringify(inner)}], options)
        left.stdout.once('data', () => { console.log(left.pid); process.exit(0) })\`
        const child = spawn(process.execPath, ['-e', outer], { detached: true, env: {} })
        const said = await new Promise((resolve) => child.stdout.once('data', resolve))
        await new Promise((resolve) => child.once('exit', resolve))
        process.stdout.write('LEFT ' + String(said).trim() + '.\\nLOOPING\\n')
        for (;;);
      })`,
    )
    const found = await looping(at, begin)
    const left = Number(/LEFT (\d+)\./.exec(found.vitest.output())?.[1])
    const isAlive = (): boolean =>
      existsSync(`/proc/${left}/limits`) && status(left, 'State')?.startsWith('Z') === false
    expect(isAlive()).toBe(true)
    return { ...found, isAlive }
  }

  const EITHER = [
    ['Vitest', start],
    ['vitest-seccomp run', startConfined],
  ] as const

  test.each(EITHER)(
    'killed, that of %s takes with it what has left its session and cleared its environment',
    async (_, begin) => {
      using at = project('e2e-crashes')
      const { vitest, broker, isAlive } = await leaving(at, begin)
      using __ = vitest
      process.kill(broker, 'SIGKILL')
      await vitest.finished
      await expect.poll(isAlive, { interval: 5 }).toBe(false)
    },
  )

  test.each(EITHER)('what it left goes with the next run where it was killed together with %s', async (_, begin) => {
    using at = project('e2e-crashes')
    const { vitest, broker, isAlive } = await leaving(at, begin)
    using __ = vitest
    // The broker stands still first: it would end everything once the other is gone.
    process.kill(broker, 'SIGSTOP')
    vitest.child.kill('SIGKILL')
    process.kill(broker, 'SIGKILL')
    await vitest.finished
    expect(isAlive()).toBe(true)
    await run(at, ['test/fine.test.mjs'])
    await expect.poll(isAlive, { interval: 5 }).toBe(false)
  })

  test.each(EITHER)('no name in the temporary directory has the next run end the live one of %s', async (_, begin) => {
    using at = project('e2e-crashes')
    const { vitest, broker, isAlive } = await leaving(at, begin)
    using __ = vitest
    const own = readdirSync(at.tmp).find((name) => /^vitest-seccomp-[0-9a-z]+_/.test(name)) ?? ''
    const planted = join(at.tmp, own.replace(/_.*/, '_planted'))
    mkdirSync(planted)
    await run(at, ['test/fine.test.mjs'])
    await expect.poll(() => existsSync(planted), { interval: 5 }).toBe(false)
    expect(isAlive()).toBe(true)
    expect(existsSync(`/proc/${broker}/limits`)).toBe(true)
    vitest.child.kill('SIGKILL')
    await vitest.finished
  })

  test('what a broker that was killed left in the temporary directory goes with the next run', async () => {
    using at = project('e2e-crashes')
    const { vitest, broker } = await looping(at)
    using _ = vitest
    const [left = ''] = readdirSync(at.tmp)
    expect(left).toMatch(/^vitest-seccomp-/)
    process.kill(broker, 'SIGKILL')
    await vitest.finished
    mkdirSync(join(at.tmp, left, 'deep'), { mode: 0 })
    mkdirSync(join(at.tmp, 'vitest-other'))
    writeFileSync(join(at.tmp, 'vitest-seccomp-file'), '')
    await run(at, ['test/fine.test.mjs'])
    expect(readdirSync(at.tmp).sort()).toEqual(['vitest-other', 'vitest-seccomp-file'])
  })

  test('of the directories of a run that lives, another one leaves each', async () => {
    using at = project('e2e-crashes')
    const { vitest } = await looping(at)
    using _ = vitest
    const before = readdirSync(at.tmp)
    await run(at, ['test/fine.test.mjs'])
    expect(readdirSync(at.tmp)).toEqual(before)
    vitest.child.kill('SIGKILL')
    await vitest.finished
  })

  test.each([
    ['SIGKILL of Vitest', (runner: number) => process.kill(runner, 'SIGKILL')],
    [
      'SIGKILL of Vitest while the broker process stands still',
      (runner: number, broker: number) => {
        process.kill(broker, 'SIGSTOP')
        process.kill(runner, 'SIGKILL')
        process.kill(broker, 'SIGCONT')
      },
    ],
  ] as const)('%s: nothing is left', async (_, end) => {
    using at = project('e2e-crashes')
    const { vitest, runner, broker } = await looping(at)
    using __ = vitest
    end(runner, broker)
    const { leftovers } = await vitest.finished
    expect(leftovers).toEqual({ processes: [], tmp: [] })
    expect(carrying(vitest.mark)).toEqual([])
  })

  test.each([0, 30, 80, 150, 300, 500])(
    'Vitest ends %d ms after it began: nothing is left, nothing is printed',
    async (ms) => {
      using at = project('e2e-crashes')
      const { spawn } = await import('node:child_process')
      // What the config does first of all: the broker process starts.
      const text = `process.env.VITEST = 'true'
      const { seccomp } = await import('vitest-pool-seccomp')
      await seccomp({}).config()
      setTimeout(() => process.exit(0), ${ms})
      setInterval(() => {}, 1000)`
      const child = spawn(nodeBin, ['--input-type=module', '-e', text], {
        cwd: at.root,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let out = ''
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (out += text))
      await new Promise((resolve) => child.once('close', resolve))
      await expect.poll(() => brokersOf(child.pid), { interval: 5 }).toEqual([])
      expect(out).toBe('')
    },
  )

  describe('eight workers start', () => {
    /** Eight files at once, one of which is refused something; `plugin` runs in Vitest's process. */
    const eight = (plugin: string): ReturnType<typeof project> => {
      const at = project('e2e-crashes')
      at.write('secret.txt', 'secret')
      at.write(
        'vitest.config.mjs',
        `import { seccomp } from 'vitest-pool-seccomp'
        import { defineConfig } from 'vitest/config'
        ${plugin}
        const sizes = ${vitestMajor > 3 ? '{ maxWorkers: 8 }' : '{ minWorkers: 8, maxWorkers: 8 }'}
        export default defineConfig({ plugins: [seccomp({}), hinders], test: { ...sizes, testTimeout: 20_000 } })`,
      )
      for (const name of 'abcdefgh') {
        const reads = name === 'e' ? "try { readFileSync('secret.txt') } catch {}" : ''
        at.write(
          `eight/${name}.test.mjs`,
          `import { readFileSync } from 'node:fs'
          import { test } from 'vitest'
          test('runs', () => { ${reads} })`,
        )
      }
      return at
    }

    const expectEach = ({ out, code, json }: Awaited<ReturnType<typeof run>>): void => {
      const told = json.testResults.map(({ name, status }) => `${basename(name, '.test.mjs')} ${status}`)
      expect(told.sort(), out).toEqual([...'abcdefgh'].map((name) => `${name} ${name === 'e' ? 'failed' : 'passed'}`))
      expect(out).toContain('secret.txt for reading')
      expect(code).toBe(1)
    }

    test('and each is there, with what it was refused, while the loop of Vitest is held up for 200 ms again and again', async () => {
      using at = eight(`const hinders = {
        name: 'hinders',
        configureServer() {
          let times = 15
          const blocking = setInterval(() => {
            for (const until = performance.now() + 200; performance.now() < until;);
            if (--times === 0) clearInterval(blocking)
          }, 50)
        },
      }`)
      expectEach(await run(at, ['eight/']))
    })

    test('and each is there, with what it was refused, where the kernel drops sockets of theirs', async () => {
      // As where the process has no descriptor left when it receives one (unix(7), MSG_CTRUNC): to use them all up would end Vitest.
      using at = eight(`import { ChildProcess } from 'node:child_process'
      const hinders = { name: 'hinders' }
      const { emit } = ChildProcess.prototype
      let [seen, dropped] = [0, 0]
      ChildProcess.prototype.emit = function (event, message, handle) {
        const isDropped = event === 'internalMessage' && handle && ++seen % 3 !== 0 && dropped < 10
        if (!isDropped) return emit.apply(this, arguments)
        dropped++
        handle.close()
        return emit.call(this, event, message, undefined)
      }
      process.on('exit', () => console.log('DROPPED ' + dropped))`)
      const report = await run(at, ['eight/'])
      expect(report.out).toContain('DROPPED 10')
      expectEach(report)
    })
  })
})
