/** Which files Vitest's process may open because a stack names them. */
import { symlinkSync, truncateSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FrameFiles } from '../../../src/vitest/gate/frame-files.js'
import { scratch, worker } from './stand-in.js'

test("code of the project and what is granted; nothing that a test can write, and nothing of the kernel's", () => {
  using at = scratch()
  const setting = { read: ['data/'], write: ['out/', 'test/'], files: ['test/own.test.ts'] }
  for (const path of ['src/a.ts', 'data/b.txt', 'src/c.txt', 'out/d.ts', 'test/own.test.ts', 'test/other.ts'])
    at.write(path, 'export {}\n')
  symlinkSync(at.at('out/d.ts'), at.at('src/link.ts'))
  const frames = new FrameFiles()
  const stand = worker(at.root, setting)
  const permits = (path: string): boolean => frames.permits(at.at(path), stand) === true
  expect(['src/a.ts', 'data/b.txt', 'test/own.test.ts'].filter((path) => !permits(path))).toEqual([])
  expect(['src/c.txt', 'out/d.ts', 'test/other.ts', 'src/link.ts', 'out/nothing.ts'].filter(permits)).toEqual([])
  expect(frames.permits(at.at('src/nothing.ts'), stand)).toBe('missing')
  expect(frames.permits(at.at('src'), stand)).toBe(false)
  expect(frames.permits('/proc/self/environ', stand)).toBe(false)
  expect(frames.permits('/etc/passwd', stand)).toBe(false)
})

test('not where a comment in it would have a map read that may not be', () => {
  using at = scratch()
  at.write('src/a.ts', 'export {}\n//# sourceMappingURL=../out/a.map\n')
  at.write('src/b.ts', 'export {}\n//# sourceMappingURL=b.map\n')
  at.write('src/b.map', '{}')
  at.write('out/a.map', '{}')
  const stand = worker(at.root, { write: ['out/'] })
  const frames = new FrameFiles()
  expect([frames.permits(at.at('src/a.ts'), stand), frames.permits(at.at('src/b.ts'), stand)]).toEqual([false, true])
})

test('a file too large to look through is not read either, and ends nothing', () => {
  using at = scratch()
  truncateSync(at.write('src/large.ts'), 33 * 1024 * 1024)
  expect(new FrameFiles().permits(at.at('src/large.ts'), worker(at.root))).toBe(false)
})
