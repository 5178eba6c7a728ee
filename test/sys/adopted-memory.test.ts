import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { failed } from '../../src/syscalls/outcome.js'

const isLinux = process.platform === 'linux'

/** A process that holds some shared bytes, and says by which descriptor. */
const HOLDER = `
const { SealedMemory } = await import(process.argv[1])
const { writeSync } = await import('node:fs')
const memory = new SealedMemory('held', 4096)
const bytes = Buffer.from(memory.bytes)
bytes.write('held\\0')
writeSync(1, String(memory.fd.number) + '\\n')
process.stdin.on('data', () => {
  bytes.write('since then\\0')
  writeSync(1, 'written\\n')
})
`

describe.skipIf(!isLinux)('memory of a process', () => {
  test('is read as it is now, and as it was when the process ended', async () => {
    const { AdoptedMemory } = await import('../../src/sys/adopted-memory.js')
    const { ProcessHandle } = await import('../../src/sys/worker-process.js')
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', HOLDER, new URL('../../dist/sys/sealed-memory.js', import.meta.url).href],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    try {
      const number = Number((await once(child.stdout, 'data'))[0])
      const worker = new ProcessHandle(child.pid ?? 0)
      const memory = AdoptedMemory.of(worker, number, 64)
      if (failed(memory)) throw new Error(memory.toString())
      const text = (length: number): string | undefined => {
        const bytes = memory.read(0, length)
        return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1')
      }
      expect(text(5)).toBe('held\0')
      child.stdin.write('go\n')
      await once(child.stdout, 'data')
      expect(text(11)).toBe('since then\0')
      expect(text(0)).toBe('')
      expect(text(1000)).toHaveLength(64)
      expect(memory.read(4095, 8)).toBeUndefined()
      // A pipe, of which a read would wait; what is not open; what is no descriptor.
      const codes = [0, 1, 1000, -1, 2 ** 31].map((one) => {
        const none = AdoptedMemory.of(worker, one, 64)
        return failed(none) && none.toString()
      })
      expect(codes).toEqual(['EINVAL', 'EINVAL', 'ENOENT', 'EBADF', 'EBADF'])
      child.kill('SIGKILL')
      await once(child, 'exit')
      expect(text(11)).toBe('since then\0')
      memory.close()
      worker.close()
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('of a process that is not there is ESRCH', async () => {
    const { AdoptedMemory } = await import('../../src/sys/adopted-memory.js')
    const { ProcessHandle } = await import('../../src/sys/worker-process.js')
    const none = AdoptedMemory.of(new ProcessHandle(2 ** 22 + 1), 3, 64)
    expect(failed(none) && none.toString()).toBe('ESRCH')
  })
})
