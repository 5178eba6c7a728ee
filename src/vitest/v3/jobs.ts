/** A worker's files and their environment: groupFilesByEnv of packages/vitest/src/utils/test-helpers.ts. */
import { readFile } from 'node:fs/promises'
import picomatch from 'picomatch'
import type { TestProject } from 'vitest/node'
import { config3, type Config3, type Spec } from './api.js'

export interface Job {
  readonly project: TestProject
  readonly files: readonly JobFile[]
  readonly environment: TestEnvironment
}

interface JobFile {
  readonly filepath: string
  readonly testLocations: readonly number[] | undefined
}

interface TestEnvironment {
  readonly name: string
  readonly transformMode: 'web' | 'ssr' | undefined
  readonly options: { readonly [environment: string]: unknown } | null
}

/** One job for each file. Jobs with the same environment follow each other. */
export async function jobsOf(specs: readonly Spec[]): Promise<readonly Job[]> {
  const jobs = await Promise.all(
    specs.map(async ({ project, moduleId, testLines }) => ({
      project,
      files: [{ filepath: moduleId, testLocations: testLines }],
      environment: await environmentOf(moduleId, config3(project), project.config.root),
    })),
  )
  return groups(jobs, ({ environment }) => environment.name).flat()
}

async function environmentOf(file: string, config: Config3, root: string): Promise<TestEnvironment> {
  const text = await readFile(file, 'utf8')
  const matching = (config.environmentMatchGlobs ?? []).find(([glob]) => picomatch.isMatch(file, glob, { cwd: root }))
  const named = /@(?:vitest|jest)-environment\s+([\w-]+)\b/.exec(text)?.[1] ?? matching?.[1] ?? config.environment
  const name = named === undefined || named === '' ? 'node' : named
  const options = /@(?:vitest|jest)-environment-options\s+(.+)/.exec(text)?.[1]?.replace(/\*\/$/, '')
  const parsed: unknown = JSON.parse(options ?? 'null')
  const { web, ssr } = config.testTransformMode ?? {}
  return {
    name,
    transformMode: matches(web, file) ? 'web' : matches(ssr, file) ? 'ssr' : undefined,
    options: parsed === null ? null : { [name === 'happy-dom' ? 'happyDOM' : name]: parsed },
  }
}

function matches(patterns: readonly string[] | undefined, file: string): boolean {
  return patterns !== undefined && picomatch.isMatch(file, [...patterns])
}

/** Groups items by a key, in the order of each group's first item. */
export function groups<T>(items: readonly T[], keyOf: (item: T) => string): readonly T[][] {
  const found = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = found.get(key)
    if (group === undefined) found.set(key, [item])
    else group.push(item)
  }
  return [...found.values()]
}

const FIRST = ['node', 'jsdom', 'happy-dom', 'edge-runtime']

/**
 * Joins jobs for a single process: one job for all files of a project that share an environment and its options. The
 * usual environments come first.
 */
export function joined(jobs: readonly Job[]): readonly Job[] {
  const rank = ({ environment: { name } }: Job): number => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length)
  const sorted = jobs.toSorted((a, b) => rank(a) - rank(b))
  return groups(sorted, ({ project, environment }) =>
    JSON.stringify([environment.name, project.name, environment.options]),
  ).flatMap((group) => group.slice(0, 1).map((first) => ({ ...first, files: group.flatMap(({ files }) => files) })))
}
