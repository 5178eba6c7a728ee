/** Numbers of processes come again: only who is a worker's own is ended. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { STAGE_MS } from '../../src/limits.js'
import { repository } from '../harness/confined.js'
import { host, missing, SOON, within } from './confined.js'

describe.skipIf(missing !== undefined)(`what is ended (${missing ?? 'live'})`, () => {
  let ancestor: ChildProcess
  let child: number
  beforeEach(async () => {
    ancestor = spawn('sh', ['-c', 'sleep 1000 & echo $!; wait'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    child = Number(await within(SOON, 'sh', once(ancestor)))
  })
  afterEach(() => {
    for (const pid of [ancestor.pid ?? 0, child]) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  })

  function once({ stdout }: ChildProcess): Promise<string> {
    return new Promise((resolve) => stdout?.once('data', (data: Buffer) => resolve(data.toString())))
  }

  const isAlive = (pid: number): boolean => {
    try {
      return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
    } catch {
      // It is gone, and its number nobody's.
      return false
    }
  }

  test('the children of a process stay where its number is not its own any more', async () => {
    const { killDescendants } = await import('../../src/broker/leftovers.js')
    killDescendants(ancestor.pid ?? 0, () => false)
    expect(isAlive(child)).toBe(true)
    const ended = new Promise((resolve) => ancestor.once('exit', resolve))
    killDescendants(ancestor.pid ?? 0, () => true)
    await within(SOON, 'the shell', ended)
    expect(isAlive(child)).toBe(false)
  })

  test('a long chain of processes ends with its first one', async () => {
    const { killDescendants } = await import('../../src/broker/leftovers.js')
    const levels = 80
    const script = `echo $$; [ $1 -gt 0 ] && sh -c "$0" "$0" $(($1 - 1)) & exec sleep 1000`
    const first = spawn('sh', ['-c', script, script, String(levels)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    const pids = (): number[] => out.split('\n').filter(Boolean).map(Number)
    try {
      await within(
        SOON,
        'the chain',
        new Promise<void>((resolve) =>
          first.stdout.on('data', (data: Buffer) => {
            out += data.toString()
            if (pids().length === levels + 1) resolve()
          }),
        ),
      )
      killDescendants(first.pid ?? 0, () => true)
      const [, ...below] = pids()
      await vi.waitFor(() => expect(below.filter(isAlive)).toEqual([]), SOON)
    } finally {
      for (const pid of pids()) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    }
  })

  test('a broker process takes along what it could not end in time', async () => {
    const built = (path: string): string => JSON.stringify(pathToFileURL(join(repository, 'dist', path)).href)
    const script = `
      import { spawn } from 'node:child_process'
      import { boot, endWith } from ${built('broker/boot.js')}
      import { newTag } from ${built('broker/process-tag.js')}
      boot(process.ppid, newTag())
      console.log(spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).pid)
      void endWith(() => new Promise(() => {}), 100)`
    const broker = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise((resolve) => broker.once('exit', (_code, signal) => resolve(signal)))
    const left = Number(await within(SOON, 'the number of the process', once(broker)))
    try {
      expect(await within(SOON, 'the broker', ended)).toBe('SIGKILL')
      await vi.waitFor(() => expect(isAlive(left)).toBe(false), SOON)
    } finally {
      if (isAlive(left)) process.kill(left, 'SIGKILL')
    }
  })

  test('a group is ended for the sake of a dead member alone: a live one could be in another by then', async () => {
    const { heldGroups } = await import('../../src/broker/leftovers.js')
    const groups = heldGroups([
      { hasEnded: true, group: 20 },
      { hasEnded: false, group: 30 },
      { hasEnded: true, group: 20 },
      { hasEnded: true, group: 1 },
      { hasEnded: true, group: undefined },
    ])
    expect([...groups]).toEqual([20])
  })

  test('who carries the cookie is ended, as far as it does so while it is held', async () => {
    const { COOKIE, killStrays } = await import('../../src/broker/strays.js')
    const start = (cookie: string): ChildProcess =>
      spawn('sleep', ['1000'], { stdio: 'ignore', env: { ...process.env, [COOKIE]: cookie } })
    const [one, other] = [start('one'), start('other')]
    const ended = new Promise((resolve) => one.once('exit', (_code, signal) => resolve(signal)))
    try {
      const meant = new Map<number, boolean>()
      killStrays('one', (pid, isMeant) => meant.set(pid, isMeant()))
      expect(
        [one, other, child].map((process) => meant.get(typeof process === 'number' ? process : (process.pid ?? 0))),
      ).toEqual([true, false, false])
      expect([one, other].map(({ pid = 0 }) => isAlive(pid))).toEqual([true, true])
      killStrays('one', (pid, isMeant) => {
        if (pid !== other.pid) return
        process.kill(pid, 'SIGKILL')
        meant.set(pid, isMeant())
      })
      expect(meant.get(other.pid ?? 0)).toBe(false)
      killStrays('one')
      expect(await within(SOON, 'the process', ended)).toBe('SIGKILL')
    } finally {
      for (const { pid = 0 } of [one, other]) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    }
  })

  test('a process is ended only if it is meant', async () => {
    const { killIf } = await import('../../src/sys/pidfd.js')
    killIf(child, () => false)
    expect(isAlive(child)).toBe(true)
    const ended = new Promise((resolve) => ancestor.once('exit', resolve))
    killIf(child, () => true)
    await within(SOON, 'the shell', ended)
    expect(isAlive(child)).toBe(false)
    // It is gone: nobody is meant.
    killIf(child, () => true)
  })

  test('a process handle ends its process, and nobody once that is gone', async () => {
    const { ProcessHandle } = await import('../../src/sys/worker-process.js')
    const handle = new ProcessHandle(ancestor.pid ?? 0)
    const ended = new Promise((resolve) => ancestor.once('exit', (_code, signal) => resolve(signal)))
    expect(handle.ownsNumber()).toBe(true)
    handle.kill()
    expect(await within(SOON, 'the shell', ended)).toBe('SIGKILL')
    expect(handle.ownsNumber()).toBe(false)
    handle.kill()
    expect(isAlive(child)).toBe(true)
    handle.close()
  })

  test.each(['before', 'after'])(
    'a worker that ends before its filter, %s it is told what to do, leaves nothing behind',
    async (when) => {
      const dir = mkdtempSync(join(tmpdir(), 'leftovers-'))
      try {
        const early = join(dir, 'early.cjs')
        const told = join(dir, 'pid')
        writeFileSync(
          early,
          `if (process.env.LEFT === undefined) {
          const options = { detached: true, stdio: 'ignore', env: { LEFT: '1' } }
          const { pid } = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], options)
          require('node:fs').writeFileSync(${JSON.stringify(`${told}.new`)}, String(pid))
          // Its end is closed before anybody knows how it ended.
          if (${when === 'before'}) require('node:fs').closeSync(3)
          else require('node:fs').readSync(3, Buffer.alloc(1), 0, 1, null)
          require('node:fs').renameSync(${JSON.stringify(`${told}.new`)}, ${JSON.stringify(told)})
          while (!require('node:fs').existsSync(${JSON.stringify(told + '.go')}));
          process.exit(7)
        }`,
        )
        const started = (await host()).start({
          execArgv: ['--require', early],
          env: {},
          policy: { mode: 'enforce', lists: [], sockets: [] },
          // It is made while the process boots.
          get setup() {
            const until = Date.now() + SOON
            if (when === 'before') while (!existsSync(told) && Date.now() < until);
            setImmediate(() => writeFileSync(`${told}.go`, ''))
            return { runner: '', landlock: [], preload: [] }
          },
          denied: 'eacces',
          stageTimeout: STAGE_MS,
          onIncident: () => {},
          onFault: () => {},
        })
        await expect(within(SOON, 'the start', started)).rejects.toThrow('exit code 7')
        expect(isAlive(Number(readFileSync(told, 'utf8')))).toBe(false)
      } finally {
        rmSync(dir, { recursive: true })
      }
    },
  )
})
