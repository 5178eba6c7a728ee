/**
 * Fails test files whose worker cannot report them, because it ended or never came up. They then fail in every
 * reporter: Vitest itself would report an error of the run, and leave the files out of its reports.
 */
import { relative } from 'node:path'
import { createMethodsRPC, type TestProject } from 'vitest/node'
import type { Exit } from '../broker/worker.js'
import { showName } from '../policy/message.js'
import type { Mark } from '../protocol.js'
import { failedFor, type Pack, type TaskResult } from './file-report.js'
import { withoutFrames } from './gate/frames.js'
import { isRefusalOf } from './own-errors.js'
import type { ReportedError } from './violation-text.js'
import type { SeccompMeta, Violation } from './violations.js'

export interface Failure {
  readonly error: ReportedError
  /** The id of the test that is to blame, if it is known; otherwise the file is. */
  readonly test?: string
  /** Refusals from before any file was known. */
  readonly violations?: readonly Violation[]
}

/**
 * An error as reports show it, without the stack, which is of this package's own code. Vitest would follow a line of the
 * message that looks like one of a stack: a worker may have said it.
 */
export function withoutStack({ name, message }: Pick<Error, 'name' | 'message'>): ReportedError {
  return { name, message, stack: withoutFrames(`${name}: ${message}`, () => false) }
}

/** Fails each file, whatever its result was so far. */
export async function failFiles(
  project: TestProject,
  files: readonly string[],
  failure: (file: string) => Failure,
): Promise<void> {
  for (const file of files) await failFile(project, file, failure(file))
}

const FINAL: ReadonlySet<unknown> = new Set(['pass', 'fail', 'skip'])

/** True if the worker has reported the final result of the file. */
export function isThrough(project: TestProject, path: string): boolean {
  return FINAL.has(taskOf(project, path)?.result?.state)
}

/** True if an error of the worker only repeats a refusal that the file has already failed for. */
export function isTold(project: TestProject, path: string, error: unknown): boolean {
  const meta: unknown = Reflect.get(taskOf(project, path)?.meta ?? {}, 'seccomp')
  // Only this package sets it: the gate removes what a worker sets.
  return (
    meta !== undefined &&
    (meta as SeccompMeta).violations.some((violation) => isRefusalOf(withFields(error), violation))
  )
}

/**
 * Restores the fields of one of Node's errors, which are lost between processes: `EACCES: permission denied, open 'x'`.
 */
function withFields(error: unknown): unknown {
  const message: unknown = error instanceof Object ? Reflect.get(error, 'message') : undefined
  const [, code, syscall, path] = /^(E[A-Z]+): [^,]+, (\w+) '([^']*)'$/.exec(String(message)) ?? []
  return code === undefined ? error : { message, code, syscall, path }
}

type TaskEvent = readonly [id: string, event: string, data: undefined]

async function failFile(project: TestProject, path: string, { error, test, violations = [] }: Failure): Promise<void> {
  const rpc = createMethodsRPC(project, { cacheFs: false })
  const known = taskOf(project, path)
  // Vitest 3 creates a task for each file at the start, and marks it as `local` until the file is collected.
  const isCollected = known !== undefined && Reflect.get(known, 'local') !== true
  const file = isCollected ? known : newFile(project, path)
  // The message that Vitest's own runtime would send. The cast is needed because the types know only the runtime's own
  // tasks.
  if (!isCollected) await rpc.onCollected([file] as unknown as Parameters<typeof rpc.onCollected>[0])
  const blamed = test === undefined ? undefined : project.vitest.state.idMap.get(test)
  const isOfFile = blamed?.type === 'test' && blamed.file.filepath === path
  const meta = { ...file.meta, ...(violations.length === 0 ? {} : { seccomp: { violations } satisfies SeccompMeta }) }
  const packs: readonly Pack[] = isOfFile
    ? [
        [blamed.id, failedFor(blamed.result ?? { state: 'fail' }, error), { ...blamed.meta }],
        [file.id, { ...file.result, state: 'fail' }, meta],
      ]
    : [[file.id, failedFor(file.result ?? { state: 'fail' }, error), meta]]
  const events: readonly TaskEvent[] = [
    ...(isOfFile ? [[blamed.id, 'test-finished', undefined] as const] : []),
    [file.id, isCollected ? 'suite-finished' : 'suite-failed-early', undefined],
  ]
  type Update = Parameters<typeof rpc.onTaskUpdate>
  await rpc.onTaskUpdate(packs as unknown as Update[0], events as unknown as Update[1])
}

function taskOf({ vitest, name }: TestProject, path: string) {
  return vitest.state.getFiles([path]).find(({ projectName }) => (projectName ?? '') === name)
}

/** A file task as createFileTask makes it: packages/runner/src/utils/collect.ts. */
function newFile(project: TestProject, filepath: string) {
  const path = relative(project.config.root, filepath)
  const file = {
    id: project.createSpecification(filepath).taskId,
    name: path,
    fullName: path,
    type: 'suite',
    mode: 'run',
    filepath,
    tasks: [],
    meta: Object.create(null),
    projectName: project.name,
    result: undefined as TaskResult | undefined,
    file: undefined as unknown,
    pool: project.config.pool,
    setupDuration: 0,
    collectDuration: 0,
  }
  file.file = file
  return file
}

/** Makes the failure of a file whose worker ended. `label`: the test that was running then. */
export function exitOf(exit: Exit, label: Mark | undefined, root: string): (file: string) => Failure {
  return (file) => {
    const isThere = label !== undefined && label.file === file
    const test = isThere && label.id !== '' ? label.id : undefined
    const elsewhere = label === undefined || label.file === '' ? '' : ` in ${showName(relative(root, label.file))},`
    const when =
      test === undefined ? `${isThere ? '' : elsewhere} before the tests were through` : ' while this test ran'
    const name = 'WorkerExitError'
    const message = `the worker exited unexpectedly (${showExit(exit)})${when}`
    return { error: withoutStack({ name, message }), ...(test === undefined ? {} : { test }) }
  }
}

export function showExit({ code, signal }: Exit): string {
  if (signal === 'SIGKILL') return 'SIGKILL: somebody ended it, or the machine has too little memory'
  return signal ?? `exit code ${code}`
}
