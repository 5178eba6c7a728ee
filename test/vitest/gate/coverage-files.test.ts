/** The files that a report of coverage is made of. */
import { existsSync, symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { TestProject } from 'vitest/node'
import { guardCoverage } from '../../../src/vitest/gate/coverage-files.js'
import { scratch, worker, type Scratch } from './stand-in.js'

/** A map of istanbul-lib-coverage, as far as it is used. */
class CoverageMap {
  constructor(public paths: readonly string[]) {}
  filter(permits: (path: string) => boolean): void {
    this.paths = this.paths.filter((path) => permits(path))
  }
}

function guarded(at: Scratch, found: (paths: readonly string[]) => unknown) {
  for (const path of ['src/own.ts', 'out/written.ts', 'data.txt']) at.write(path)
  if (!existsSync(at.at('src/linked'))) symlinkSync('/etc', at.at('src/linked'))
  const paths = ['src/own.ts', 'out/written.ts', 'data.txt', 'src/linked/passwd'].map((path) => at.at(path))
  const find = (): Promise<unknown> => Promise.resolve(found(paths))
  const provider = { getUntestedFiles: find, getCoverageMapForUncoveredFiles: find, generateCoverage: find }
  const { project, writes } = worker(at.root, { write: ['out/'] })
  // All that is looked at.
  guardCoverage({ coverageProvider: provider } as unknown as TestProject['vitest'], project, writes)
  return provider
}

test.each(['getUntestedFiles', 'getCoverageMapForUncoveredFiles'] as const)(
  '%s: those that no test has imported are code of the project that no test can write, as a list, as a map, and as a map beside others',
  async (name) => {
    using at = scratch()
    await expect(guarded(at, (paths) => paths)[name]()).resolves.toEqual([at.at('src/own.ts')])
    const map = await guarded(at, (paths) => new CoverageMap(paths))[name]()
    expect(map).toBeInstanceOf(CoverageMap)
    expect(map).toEqual({ paths: [at.at('src/own.ts')] })
    const beside = await guarded(at, (paths) => ({ coverageMap: new CoverageMap(paths), inputSourceMaps: new Map() }))[
      name
    ]()
    expect(beside).toEqual({ coverageMap: { paths: [at.at('src/own.ts')] }, inputSourceMaps: new Map() })
    const asked = (path: string): string => `${path}?cache=1&vitest-uncovered-coverage=true`
    await expect(guarded(at, (paths) => new CoverageMap(paths.map(asked)))[name]()).resolves.toEqual({
      paths: [asked(at.at('src/own.ts'))],
    })
    await expect(guarded(at, () => 'anything else')[name]()).resolves.toEqual([])
  },
)

test('the coverage of a run, which a blob keeps, has the same files alone', async () => {
  using at = scratch()
  const own = { paths: [at.at('src/own.ts')] }
  await expect(guarded(at, (paths) => new CoverageMap(paths)).generateCoverage()).resolves.toEqual(own)
  const beside = guarded(at, (paths) => ({ coverageMap: new CoverageMap(paths) }))
  await expect(beside.generateCoverage()).resolves.toEqual({ coverageMap: own })
  await expect(guarded(at, () => undefined).generateCoverage()).resolves.toBeUndefined()
})
