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

/** Node closes sockets a turn or two after it was told; a leak stays. */
export async function asBefore(before: readonly string[]): Promise<void> {
  const more = (): string[] => descriptors().filter((one) => !before.includes(one))
  for (let turn = 0; turn < 200 && more().length > 0; turn++) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(more()).toEqual([])
}
