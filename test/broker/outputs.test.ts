import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { collecting, StartFailure } from '../../src/broker/outputs.js'
import { outputOfWorker } from './output.js'

afterEach(() => void vi.useRealTimers())

/** Resolves when the host has read so many bytes, after the listener of `collecting` had them. */
async function read(stderr: Socket, bytes: number): Promise<void> {
  while (stderr.bytesRead < bytes) await setImmediate()
  await setImmediate()
}

test('what a worker prints while it starts reaches the next reader whole, a character in two pieces too', async () => {
  const { worker, stderr } = await outputOfWorker()
  const printed = Buffer.from(`${'-'.repeat(5000)}für`)
  const half = printed.indexOf(Buffer.from('ü')) + 1
  const start = (async () => {
    worker.write(printed.subarray(0, half))
    await read(stderr, half)
    worker.write(printed.subarray(half))
    await read(stderr, printed.length)
  })()
  await collecting(stderr, start)
  worker.end(' and more')
  expect(await text(stderr)).toBe(`${printed.toString()} and more`)
})

test('what is shown of a failed start ends with the last that was printed', async () => {
  const { worker, stderr } = await outputOfWorker()
  const start = (async () => {
    worker.end(`first${'ü'.repeat(5000)}last`)
    await read(stderr, 10_009)
    throw new StartFailure('hello', 'no answer')
  })()
  await expect(collecting(stderr, start)).rejects.toMatchObject({
    message: expect.stringMatching(/^(?!.*first).*ü{3996}last/s),
  })
})

test('what arrives half a second after a start has failed is shown, and nothing is waited for once the output has ended', async () => {
  const { worker, stderr } = await outputOfWorker()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const told = expect(collecting(stderr, Promise.reject(new StartFailure('boot', 'exit code 9')))).rejects.toThrow(
    'bad option',
  )
  await vi.advanceTimersByTimeAsync(500)
  worker.end('bad option')
  await told
})
