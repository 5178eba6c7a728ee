/**
 * Checks the places that Vitest's own process writes to. It follows links there, so a test that may write there could
 * put a link in their place. That is an error of the options, before any test runs.
 */
import { join, relative, resolve } from 'node:path'
import type { TestProject } from 'vitest/node'
import { ManifestError, type ManifestProblem } from '../errors.js'
import { quote } from '../policy/nearest.js'
import { isFields } from './gate/values.js'
import { walk } from './gate/walk.js'
import type { Writes } from './gate/writes.js'
import { thisVitest } from './versions/running.js'

interface Output {
  readonly what: string
  readonly path: string
  readonly is: 'file' | 'dir'
}

/** Throws a ManifestError that lists each place that tests may write to, with the exclusion that forbids it. */
export function checkOutputs(project: TestProject, writes: Writes): void {
  const { root } = project.config
  const problems = outputsOf(project).flatMap(({ what, path, is }): ManifestProblem[] => {
    const walked = walk(path)
    const entry = writes.covering(walked) ?? (is === 'dir' ? writes.reaches(walked.real) : undefined)
    if (entry === undefined) return []
    const shown = relative(root, path)
    const place = `${shown.startsWith('../') ? path : shown}${is === 'dir' ? '/' : ''}`
    return [
      {
        at: `write: [${quote(entry)}]`,
        expected:
          "no entry that lets a test write where Vitest's own process writes: it would follow a link of the test's",
        found: `${place}, ${what}`,
        suggestion: `[${quote(entry)}, ${quote(`!${place}`)}]`,
      },
    ]
  })
  if (problems.length > 0) throw new ManifestError(distinct(problems))
}

function distinct(problems: readonly ManifestProblem[]): ManifestProblem[] {
  return [...new Map(problems.map((problem) => [problem.suggestion, problem])).values()]
}

function outputsOf({ vitest, config: own }: TestProject): Output[] {
  const { config } = vitest
  const { root } = config
  const file = (what: string, path: unknown): Output[] =>
    typeof path === 'string' && path !== '' ? [{ what, path: resolve(root, path), is: 'file' }] : []
  const dir = (what: string, path: unknown): Output[] =>
    typeof path === 'string' && path !== '' ? [{ what, path: resolve(root, path), is: 'dir' }] : []
  const named: unknown = config.outputFile
  const reporters = [config.reporters].flat().flatMap((reporter): Output[] => {
    const [name, options]: readonly unknown[] = Array.isArray(reporter) ? reporter : [reporter]
    if (typeof name !== 'string') return []
    const what = `where the reporter '${name}' writes`
    const { html, reporterDirs } = thisVitest
    if (name === 'html' && html.option === 'outputDir')
      return dir(what, (isFields(options) ? options.outputDir : undefined) ?? reporterDirs.html)
    const said = isFields(options) ? options.outputFile : undefined
    const other = typeof named === 'string' ? named : isFields(named) ? named[name] : undefined
    const given = file(what, said ?? other)
    return given.length > 0 || !Object.hasOwn(reporterDirs, name) ? given : dir(what, reporterDirs[name])
  })
  const { coverage } = config
  const benchmark: unknown = Reflect.get(own, 'benchmark')
  return [
    ...reporters,
    ...(coverage.enabled && 'reportsDirectory' in coverage
      ? dir('for reports of coverage', coverage.reportsDirectory)
      : []),
    ...(isFields(benchmark) ? file('for results of benchmarks', benchmark.outputJson) : []),
    ...dir('where Vitest dumps what it transformed', Reflect.get(config, 'dumpDir')),
    ...resultsOf(vitest).flatMap((path) => file("for Vitest's results of this run", path)),
  ]
}

/** The files of Vitest's results: packages/vitest/src/node/cache. */
function resultsOf({ config, vite }: TestProject['vitest']): readonly string[] {
  const { cache } = config
  if (cache === false) return []
  const dir = isFields(cache) && typeof cache.dir === 'string' ? cache.dir : vite.config.cacheDir
  return thisVitest.results.map((name) => join(dir, name))
}
