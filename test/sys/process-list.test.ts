/** That only processes which have ended are taken for dead. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { hasEnded } from '../../src/sys/process-list.js'

const FIRST_THREAD_ENDS = `
  import(${JSON.stringify(new URL('../../dist/sys/raw.js', import.meta.url).href)}).then(({ numberOf, sys3 }) => {
    console.log('ready')
    sys3(numberOf('exit'), 0)
  })`

describe.skipIf(process.platform !== 'linux')('a process is dead', () => {
  const children: ChildProcess[] = []

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })

  const start = (file: string, args: readonly string[]): number => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    return child.pid ?? 0
  }

  test('if it is gone', async () => {
    const pid = start(process.execPath, ['-e', '0'])
    await once(children[0] ?? process, 'exit')
    expect(hasEnded(pid)).toBe(true)
  })

  test('not by its name', async () => {
    const pid = start(process.execPath, ['-e', 'process.title = "a) Z b"; console.log(0); setInterval(() => {}, 1000)'])
    await once(children[0]?.stdout ?? process, 'data')
    expect(readFileSync(`/proc/${pid}/stat`, 'latin1')).toContain('(a) Z b)')
    expect(hasEnded(pid)).toBe(false)
  })

  test('not by the end of its first thread alone', async () => {
    const pid = start(process.execPath, ['-e', FIRST_THREAD_ENDS])
    await once(children[0]?.stdout ?? process, 'data')
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'latin1')).toMatch(/\) Z /)
    expect(hasEnded(pid)).toBe(false)
    const ended = once(children[0] ?? process, 'exit')
    process.kill(pid, 'SIGKILL')
    await ended
    expect(hasEnded(pid)).toBe(true)
  })

  test('while it waits for its parent', async () => {
    // A shell that became another program waits for no child of its own.
    start('sh', ['-c', 'sleep 0 & echo $!; exec sleep 1000'])
    const [line] = await once(children[0]?.stdout ?? process, 'data')
    await expect.poll(() => hasEnded(Number(String(line)))).toBe(true)
  })
})
