import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { failed } from '../../src/syscalls/outcome.js'

const isLinux = process.platform === 'linux'

/** A process that holds some bytes, and says where. */
const HOLDER = `
const { Pinned } = await import(process.argv[1])
const { writeSync } = await import('node:fs')
const held = new Pinned(4096)
held.text('held')
writeSync(1, String(held.address) + '\\n')
process.stdin.on('data', () => writeSync(1, held.text('since then') + '\\n'))
`

describe.skipIf(!isLinux)('the memory of a process', () => {
  test('is read as it is now, and not any more when the process is gone', async () => {
    const { ProcessMemory } = await import('../../src/sys/process-memory.js')
    const { ProcessHandle } = await import('../../src/sys/worker-process.js')
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', HOLDER, new URL('../../dist/sys/raw.js', import.meta.url).href],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    try {
      const address = Number((await once(child.stdout, 'data'))[0])
      const worker = new ProcessHandle(child.pid ?? 0)
      const memory = ProcessMemory.of(worker, 64)
      if (failed(memory)) throw new Error(memory.toString())
      const text = (length: number): string | undefined => {
        const bytes = memory.read(address, length)
        return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1')
      }
      expect(text(5)).toBe('held\0')
      child.stdin.write('go\n')
      await once(child.stdout, 'data')
      expect(text(11)).toBe('since then\0')
      expect(text(0)).toBe('')
      expect(text(1000)).toHaveLength(64)
      // Nothing is mapped there, or not for programs.
      for (const nowhere of [0, 1, 4095, 2 ** 47, Number.MAX_SAFE_INTEGER])
        expect(memory.read(nowhere, 8)).toBeUndefined()
      child.kill('SIGKILL')
      await once(child, 'exit')
      expect(text(5)).toBeUndefined()
      memory.close()
      worker.close()
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('of a process that is not there is ESRCH', async () => {
    const { ProcessMemory } = await import('../../src/sys/process-memory.js')
    const { ProcessHandle } = await import('../../src/sys/worker-process.js')
    const none = ProcessMemory.of(new ProcessHandle(2 ** 22 + 1), 64)
    expect(failed(none) && none.toString()).toBe('ESRCH')
  })
})
