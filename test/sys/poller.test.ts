import { describe, expect, test } from 'vitest'

const isLinux = process.platform === 'linux'

describe.skipIf(!isLinux)('a poller (skipped where the system is not Linux)', async () => {
  if (!isLinux) return
  const { Bell, Poller } = await import('../../src/sys/io.js')

  test('says what a slot has now, and keeps what the last wait said', () => {
    const poller = new Poller(2)
    const [first, second] = [new Bell(), new Bell()]
    poller.watch(0, first.fd)
    poller.watch(1, second.fd)
    first.ring()
    expect([poller.wait(0), poller.happened(0), poller.happened(1)]).toEqual([true, 1, 0])
    first.silence()
    second.ring()
    expect([poller.hasNow(0), poller.hasNow(1)]).toEqual([false, true])
    expect([poller.happened(0), poller.happened(1)]).toEqual([1, 0])
    second.silence()
    expect(poller.hasNow(1)).toBe(false)
    first.fd.close()
    second.fd.close()
  })
})
