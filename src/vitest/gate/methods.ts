/**
 * The methods that Vitest's main process answers, and the check before each call. This file has those of every version;
 * the others are in src/vitest/versions. A method without a row is refused, and a Vitest that has one does not start
 * (startup.ts).
 *
 * Vitest: packages/vitest/src/node/pools/rpc.ts, createMethodsRPC. The harm of each unchecked method was tried out.
 */
import { covered } from './check-coverage.js'
import { recorded } from './check-files.js'
import { unused } from './check-modules.js'
import {
  cancelled,
  collected,
  failedTests,
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

/** The tools that the checks of one worker share. */
export interface Tools {
  readonly frames: FrameFiles
  readonly copies: PrivateCopies
  /** Keeps copies that Vitest reads at the end of the run. */
  readonly keep: (copy: string) => void
}

interface RpcMethod {
  /** The first minor version with the method, if that is not the first of its major version. */
  readonly since?: `${number}.${number}`
  readonly cap: Cap
  /** The harm that the call could do unchecked. */
  readonly why: string
  readonly check: (tools: Tools) => Check
}

const { small, specifier, names, large } = CAPS

export interface RpcMethods {
  readonly [name: string]: RpcMethod
}

/** The row for attachments: onTaskArtifactRecord, or onTaskAnnotate. `rebuild` makes what Vitest gets. */
export function attached(rebuild: Parameters<typeof recorded>[1]): RpcMethod {
  return {
    cap: large,
    why: 'copies any file to a known place',
    check: ({ copies }) => recorded(copies, rebuild),
  }
}

/** The row for onAfterSuiteRun. `key` is the field of its argument that holds the environment's name. */
export function afterSuiteRun(key: 'environment' | 'transformMode'): RpcMethod {
  return {
    cap: { text: 512 * 1024 * 1024, values: 20_000_000 },
    why: 'makes the coverage provider read and transform any file',
    check: ({ copies, keep }) => covered(copies, keep, key),
  }
}

/** The methods of every version. */
export const COMMON_METHODS: RpcMethods = {
  transform: {
    cap: specifier,
    why: 'reads, transforms and hands over any file',
    check: () => unused('only the vm pools transform modules this way'),
  },
  onQueued: {
    cap: large,
    why: "overwrites any file's tasks",
    check: ({ frames }) => collected(frames, 'one'),
  },
  onCollected: {
    cap: large,
    why: "overwrites any file's tasks",
    check: ({ frames }) => collected(frames, 'list'),
  },
  onTaskUpdate: {
    cap: large,
    why: 'forges results; reads every file that a stack names',
    check: ({ frames }) => updated(frames),
  },
  onUnhandledError: {
    cap: large,
    why: 'skips tests; prints files that a stack names',
    check: ({ frames }) => unhandled(frames),
  },
  onUserConsoleLog: { cap: large, why: 'speaks for other tests', check: () => logged },

  snapshotSaved: { cap: names, why: 'forges the summary of snapshots', check: () => snapshotSaved },
  resolveSnapshotPath: {
    cap: small,
    why: "calls the config's function with what it is given",
    check: () => snapshotPath,
  },
  onCancel: { cap: small, why: 'ends the whole run', check: () => cancelled },
  getCountOfFailedTests: { cap: small, why: 'nothing: it is a number', check: () => failedTests },
}

/** The row of a method; none for names of Object.prototype. */
export function methodOf(name: string, methods: RpcMethods): RpcMethod | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined
}
