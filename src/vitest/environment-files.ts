/** The test files that need a given environment. A worker sets its environment up before it is told its first file. */
import type { TestProject } from 'vitest/node'
import { readSafely } from './gate/safe-open.js'

/** Vitest's own environments: no manifest grants what they need. packages/vitest/src/integrations/env/index.ts */
const BUILT_IN: ReadonlySet<string> = new Set(['node', 'jsdom', 'happy-dom', 'edge-runtime'])
const LARGEST = 16 * 1024 * 1024

const known = new WeakMap<TestProject, Map<string, string>>()

/** The test files with this environment; none for an environment that needs no grant. */
export function filesWithEnvironment(project: TestProject, environment: string): readonly string[] {
  if (BUILT_IN.has(environment)) return []
  const names = known.get(project) ?? new Map<string, string>()
  known.set(project, names)
  return project.vitest.state.getPaths().filter((path) => {
    const name = names.get(path) ?? nameIn(path) ?? project.config.environment
    names.set(path, name)
    return name === environment
  })
}

/**
 * The environment that a file names, read as Vitest reads it: packages/vitest/src/utils/test-helpers.ts. A file that
 * cannot be read now names none.
 */
function nameIn(path: string): string | undefined {
  try {
    const text = readSafely(path, LARGEST).toString()
    return /@(?:vitest|jest)-environment\s+([\w-]+)\b/.exec(text)?.[1]
  } catch (error) {
    if (error instanceof Error) return ''
    throw error
  }
}
