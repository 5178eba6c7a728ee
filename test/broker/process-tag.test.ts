/** What a broker process that was killed left, found by its tag: here by a limit that anybody can set for a child. */
import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { killTagged, newTag } from '../../src/broker/process-tag.js'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tag-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test('a chain of processes that fork and end is not too fast', async () => {
  const tag = newTag()
  const beats = join(directory, 'beats')
  appendFileSync(beats, '')
  // Each link starts the next in a shell of its own, and ends.
  const chain = 'f() { test -e "$0" && echo >> "$0" && f & }; f'
  const first = spawn('prlimit', [`--locks=${tag}:${tag}`, 'sh', '-c', chain, beats], {
    detached: true,
    stdio: 'ignore',
  })
  await new Promise((resolve) => first.once('exit', resolve))
  await expect.poll(() => statSync(beats).size).toBeGreaterThan(50)
  killTagged(tag)
  const before = statSync(beats).size
  await setTimeout(200)
  expect(statSync(beats).size).toBe(before)
})
