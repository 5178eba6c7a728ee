/**
 * The used parts of Vitest 3's own interface for pools: packages/vitest/src/node/pool.ts, src/node/spec.ts of 3.2. They
 * are written out because the types of the installed Vitest are those of another version.
 */
import type { TestProject, Vitest } from 'vitest/node'

export interface Spec {
  readonly project: TestProject
  readonly moduleId: string
  readonly testLines?: readonly number[]
}

export interface PoolStart {
  readonly execArgv: readonly string[]
  readonly env: Partial<NodeJS.ProcessEnv>
}

export interface ProcessPool {
  readonly name: string
  runTests(specs: readonly Spec[], invalidates?: readonly string[]): Promise<void>
  collectTests(specs: readonly Spec[], invalidates?: readonly string[]): Promise<void>
  close(): Promise<void>
}

/** The members that the types of later versions do not have. */
interface Vitest3 {
  readonly isCancelling: boolean
  onCancel(listener: (reason: string) => void): void
  readonly state: {
    clearFiles(project: TestProject, paths: readonly string[]): void
    cancelFiles(paths: readonly string[], project: TestProject): void
  }
}

export interface Config3 {
  readonly watch: boolean
  readonly isolate?: boolean
  readonly maxWorkers?: number
  readonly minWorkers?: number
  readonly fileParallelism: boolean
  readonly teardownTimeout: number
  readonly poolOptions?: { readonly [pool: string]: unknown }
  readonly environment?: string
  readonly environmentMatchGlobs?: readonly (readonly [glob: string, environment: string])[]
  readonly testTransformMode?: { readonly web?: readonly string[]; readonly ssr?: readonly string[] }
}

export function vitest3(vitest: Vitest): Vitest & Vitest3 {
  // Called only under Vitest 3: pool.ts checks the version first.
  return vitest as Vitest & Vitest3
}

export function config3({ config }: { readonly config: object }): Config3 {
  // Called only under Vitest 3, too. None of these members is in the types of every version.
  return config as Config3
}
