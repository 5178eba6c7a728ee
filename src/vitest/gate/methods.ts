/**
 * Every method that Vitest's main process answers, and what is checked before it does. A method without a row is
 * refused, and a Vitest that has one does not start (startup.ts).
 *
 * Vitest: packages/vitest/src/node/pools/rpc.ts, createMethodsRPC. What each could do unchecked was tried.
 */
import { covered } from './check-coverage.js'
import { readBenchmark, recorded, writeBenchmark } from './check-files.js'
import { fetchByVitest3 } from './check-modules-3.js'
import {
  fetchModule,
  fetchWarmModules,
  noteDependencies,
  noteModule,
  prewarm,
  resolveModule,
  unused,
} from './check-modules.js'
import {
  benchmarked,
  cancelled,
  collected,
  failedTests,
  leaks,
  logged,
  snapshotPath,
  snapshotSaved,
  unhandled,
  updated,
} from './check-tasks.js'
import type { FrameFiles } from './frame-files.js'
import type { Check } from './outcome.js'
import type { PrivateCopies } from './private-copies.js'
import { CAPS, type Cap } from './size.js'

export const TESTED = ['3.2', '4.1', '5.0', '5.1'] as const
export type Tested = (typeof TESTED)[number]

/** What the checks of one worker share. */
export interface Tools {
  readonly frames: FrameFiles
  readonly copies: PrivateCopies
  /** For copies that Vitest reads when the run is over. */
  readonly keep: (copy: string) => void
}

export interface RpcMethod {
  /** The versions that have it. */
  readonly in: readonly Tested[]
  readonly cap: Cap
  /** What the call could do unchecked. */
  readonly why: string
  readonly check: (tools: Tools) => Check
}

const ALL = TESTED
const SINCE_4 = ['4.1', '5.0', '5.1'] as const
const SINCE_5 = ['5.0', '5.1'] as const
const ONLY_3 = ['3.2'] as const
const { small, specifier, names, large } = CAPS
const coverage: Cap = { text: 512 * 1024 * 1024, values: 20_000_000 }

export interface RpcMethods {
  readonly [name: string]: RpcMethod
}

/** Of every version; those of Vitest 3 that mean something else there stand in ONLY_IN_3. */
export const RPC_METHODS: RpcMethods = {
  fetch: { in: SINCE_4, cap: specifier, why: 'reads, transforms and hands over any file', check: () => fetchModule },
  resolve: {
    in: SINCE_4,
    cap: specifier,
    why: 'tells which files exist, and where links lead',
    check: () => resolveModule,
  },
  fetchWarmModules: {
    in: SINCE_5,
    cap: names,
    why: 'hands over modules that other workers imported',
    check: () => fetchWarmModules,
  },
  prewarmModuleGraph: { in: SINCE_5, cap: names, why: 'transforms whatever a file imports', check: () => prewarm },
  transform: {
    in: SINCE_4,
    cap: specifier,
    why: 'as fetch',
    check: () => unused('only the vm pools transform modules this way'),
  },
  ensureModuleGraphEntry: {
    in: SINCE_4,
    cap: specifier,
    why: 'lets any file be printed beneath an error',
    check: () => noteModule,
  },
  onTestModuleDependencies: {
    in: ['5.1'],
    cap: names,
    why: 'decides which tests a later run leaves out',
    check: () => noteDependencies,
  },

  onQueued: {
    in: ALL,
    cap: large,
    why: "overwrites any file's tasks",
    check: ({ frames }) => collected(frames, 'one'),
  },
  onCollected: {
    in: ALL,
    cap: large,
    why: "overwrites any file's tasks",
    check: ({ frames }) => collected(frames, 'list'),
  },
  onTaskUpdate: {
    in: ALL,
    cap: large,
    why: 'forges results; reads every file that a stack names',
    check: ({ frames }) => updated(frames),
  },
  onUnhandledError: {
    in: ALL,
    cap: large,
    why: 'skips tests; prints files that a stack names',
    check: ({ frames }) => unhandled(frames),
  },
  onAsyncLeaks: {
    in: SINCE_4,
    cap: large,
    why: 'prints the file that a stack names',
    check: ({ frames }) => leaks(frames),
  },
  onUserConsoleLog: { in: ALL, cap: large, why: 'speaks for other tests', check: () => logged },
  onTestBenchmark: { in: SINCE_5, cap: large, why: 'forges results of other tests', check: () => benchmarked },

  onTaskArtifactRecord: {
    in: SINCE_4,
    cap: large,
    why: 'copies any file to a known place',
    check: ({ copies }) => recorded(copies),
  },
  readBenchmarkResult: {
    in: SINCE_5,
    cap: small,
    why: 'reads any JSON below the root, and through links',
    check: () => readBenchmark,
  },
  writeBenchmarkResult: {
    in: SINCE_5,
    cap: large,
    why: 'writes JSON anywhere below the root, and through links',
    check: () => writeBenchmark,
  },
  onAfterSuiteRun: {
    in: SINCE_4,
    cap: coverage,
    why: 'makes the coverage provider read and transform any file',
    check: ({ copies, keep }) => covered(copies, keep, 'environment'),
  },

  snapshotSaved: { in: ALL, cap: names, why: 'forges the summary of snapshots', check: () => snapshotSaved },
  resolveSnapshotPath: {
    in: ALL,
    cap: small,
    why: "calls the config's function with what it is given",
    check: () => snapshotPath,
  },
  onCancel: { in: ALL, cap: small, why: 'ends the whole run', check: () => cancelled },
  getCountOfFailedTests: { in: ALL, cap: small, why: 'nothing: it is a number', check: () => failedTests },
}

/** Vitest 3 hands modules over through vite-node, which has a mode where later versions have an environment of Vite's. */
export const ONLY_IN_3: RpcMethods = {
  fetch: { in: ONLY_3, cap: specifier, why: 'reads, transforms and hands over any file', check: () => fetchByVitest3 },
  resolveId: {
    in: ONLY_3,
    cap: specifier,
    why: 'tells which files exist, and where links lead',
    check: () => resolveModule,
  },
  transform: {
    in: ONLY_3,
    cap: specifier,
    why: 'as fetch',
    check: () => unused('only the vm pools transform modules this way'),
  },
  getSourceMap: {
    in: ONLY_3,
    cap: specifier,
    why: 'as fetch, and makes Vite load modules anew',
    check: () => unused("no worker of Vitest 3 asks for a source map: it comes with the module's code"),
  },
  onTaskAnnotate: {
    in: ONLY_3,
    cap: large,
    why: 'copies any file to a known place',
    check: ({ copies }) => recorded(copies),
  },
  onAfterSuiteRun: {
    in: ONLY_3,
    cap: coverage,
    why: 'makes the coverage provider read and transform any file',
    check: ({ copies, keep }) => covered(copies, keep, 'transformMode'),
  },
}

/** What this Vitest has, of its own version and of others of its major one. */
export function methodsOf(version: string): RpcMethods {
  const [major = ''] = version.split('.')
  const all = [...Object.entries(RPC_METHODS), ...Object.entries(ONLY_IN_3)]
  return Object.fromEntries(all.filter(([, row]) => row.in.some((tested) => tested.startsWith(`${major}.`))))
}

/** The row of a method. Names of Object.prototype have none. */
export function methodOf(name: string, methods: RpcMethods): RpcMethod | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined
}
