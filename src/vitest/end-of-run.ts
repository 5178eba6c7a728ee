/** A reporter of our own, beside those that the user chose: it has the last word, on stderr. */
import { relative } from 'node:path'
import type { Reporter, TestModule, TestProject, Vitest } from 'vitest/node'
import { allowanceText, type FileViolations } from './allowance.js'
import type { SeccompMeta } from './violations.js'

class EndOfRun implements Reporter {
  constructor(readonly vitest: Vitest) {}

  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const [project, own] of byProject(modules)) {
      const refused = own.map((module): FileViolations => ({ file: nameOf(module), violations: metaOf(module)?.violations ?? [] }))
      const text = allowanceText(refused, own.length, project)
      if (text !== undefined) this.vitest.logger.error(text)
    }
  }
}

function byProject(modules: readonly TestModule[]): ReadonlyMap<string, readonly TestModule[]> {
  const projects = new Map<string, TestModule[]>()
  for (const module of modules) projects.set(module.project.name, [...projects.get(module.project.name) ?? [], module])
  return projects
}

/** Relative to the root of its project. */
function nameOf({ moduleId, project }: TestModule): string {
  return relative(project.config.root, moduleId)
}

/** What this package put into the meta of a test file, in this process or, by way of a blob, in another. */
function metaOf(module: TestModule): SeccompMeta | undefined {
  const meta: object = module.meta()
  // Only the relay and a blob that a run of this package wrote put anything there.
  return 'seccomp' in meta ? meta.seccomp as SeccompMeta : undefined
}

const reporters = new WeakMap<Vitest, EndOfRun>()

/** Once for each run. Before Vitest has made its reporters, ours goes among those that it will make. */
export function reportAtEnd({ vitest }: TestProject): void {
  const reporter = reporters.get(vitest) ?? new EndOfRun(vitest)
  reporters.set(vitest, reporter)
  // The reporters at work: of Vitest 3, 4 and 5 alike, and not in their types.
  const made: unknown = Reflect.get(vitest, 'reporters')
  const list: unknown[] = Array.isArray(made) && made.length > 0 ? made : vitest.config.reporters
  if (!list.includes(reporter)) list.push(reporter)
}
