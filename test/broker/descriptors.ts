/** What this process has open: a broker that lost track of something shows here. */
import { readdirSync, readlinkSync } from 'node:fs'
import { expect } from 'vitest'

/** By number and kind. */
export function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/, '')}`]
    } catch (error) {
      // The directory that was just read has closed since.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
      throw error
    }
  })
}

/**
 * Node closes sockets a turn or two after it was told; a leak stays. It is not waited for as long as a broker thread that
 * has nothing to do stays, with what it holds (IDLE_THREAD_MS).
 */
export async function asBefore(before: readonly string[]): Promise<void> {
  const more = (): string[] => descriptors().filter((one) => !before.includes(one))
  await expect.poll(more, { timeout: 20_000, interval: 5 }).toEqual([])
}
