/**
 * Checks what a worker reports about tasks: it may only concern its own files, and may not lead Vitest to other files.
 */
import { relative } from 'node:path'
import { ProtocolError } from '../../errors.js'
import { cleanError, hasFields, PENDING } from './errors-told.js'
import type { FrameFiles } from './frame-files.js'
import type { Permits } from './frames.js'
import { answer, forbidden, pass, refuse, type Check, type GateWorker } from './outcome.js'
import { isAmount, isTexts, isFlag, pick, plain, type Shape } from './plain.js'
import { rebuildBenchmark, rebuildFile, rebuildMeta, rebuildResult } from './tasks-told.js'
import { fieldsOf, listOf, numberOf, optionalText, textOf } from './values.js'

/** onQueued(file), onCollected([file]) */
export function collected(frames: FrameFiles, shape: 'one' | 'list'): Check {
  return (args, worker) => {
    const given = shape === 'one' ? [args[0]] : listOf(args[0], "onCollected's files")
    const files = given.map((file) => fieldsOf(file, 'a collected file'))
    const foreign = files.find((file) => !worker.files.has(textOf(file.filepath, "a collected file's path")))
    if (foreign !== undefined)
      return refuse(forbidden(`${JSON.stringify(foreign.filepath)} is not a test file of this worker`))
    const { project } = worker
    for (const { filepath } of files) {
      const other = project.takeId(String(filepath))
      if (other !== undefined)
        throw new ProtocolError(
          `the test files ${JSON.stringify(filepath)} and ${JSON.stringify(other)} have the same id, so that Vitest would ` +
            'take the results of one for those of the other; rename one of them',
        )
    }
    const rebuilt = files.map((file) =>
      rebuildFile(
        file,
        {
          id: project.idOf(String(file.filepath)),
          name: relative(project.root, String(file.filepath)),
          projectName: project.name,
          pool: project.pool,
          isEnvironment: (name) => worker.environment(name) !== undefined,
        },
        (path) => frames.permits(path, worker),
      ),
    )
    return pass(shape === 'one' ? rebuilt : [rebuilt])
  }
}

/** onTaskUpdate(packs, events): `[id, result, meta]` and `[id, event, data]`. */
export function updated(frames: FrameFiles): Check {
  return (args, worker) => {
    const permits: Permits = (path) => frames.permits(path, worker)
    const packs = listOf(args[0], "onTaskUpdate's packs").map((pack) => listOf(pack, 'a pack'))
    const events =
      args[1] === undefined ? [] : listOf(args[1], "onTaskUpdate's events").map((event) => listOf(event, 'an event'))
    const owners = [...packs, ...events].map(([id]) => worker.project.fileOf(textOf(id, "a task's id")))
    const foreign = owners.find((file) => file !== undefined && !worker.everRan.has(file))
    if (foreign !== undefined)
      return refuse(forbidden(`it reports a result of ${JSON.stringify(foreign)}, which this worker does not run`))
    const isOwn = ([id]: readonly unknown[]): boolean => worker.files.has(worker.project.fileOf(String(id)) ?? '')
    return pass([
      packs.filter(isOwn).map((pack) => rebuildPack(pack, permits)),
      events.filter(isOwn).filter(isOfRun).map(rebuildEvent),
    ])
  }
}

/** `[id, result, meta]` */
function rebuildPack([id, result, meta]: readonly unknown[], permits: Permits): unknown[] {
  return [id, result === undefined || result === null ? undefined : rebuildResult(result, permits), rebuildMeta(meta)]
}

/** False for events of merged reports, whose annotations Vitest does not look at any more. */
function isOfRun([, event]: readonly unknown[]): boolean {
  return event !== 'test-annotation' && event !== 'test-artifact'
}

/** An event, `[id, event, data]`: a hook that ran, or text about a retry. */
function rebuildEvent([id, event, data]: readonly unknown[]): unknown[] {
  return [id, textOf(event, "a task's event"), plain(data)]
}

/** onUnhandledError(error, type) */
export function unhandled(frames: FrameFiles): Check {
  return (args, worker) => {
    const [given, type] = [args[0], textOf(args[1], "onUnhandledError's type")]
    const error = cleanError(given, (path) => frames.permits(path, worker))
    if (!hasFields(given) || given.code !== PENDING) return pass([error, type])
    const taskId = String(given.taskId)
    if (!isOwnTest(taskId, worker))
      return refuse(forbidden('it would skip a test that this worker does not run, or a whole test file'))
    // Nobody would be told how it failed.
    if (worker.project.hasFailed(taskId)) return answer(undefined)
    return pass([{ ...Object(error), code: PENDING, taskId }, type])
  }
}

/**
 * True for a test or a suite of the worker, but not a whole file. A file that is marked as skipped does not count as
 * failed, whatever its result.
 */
function isOwnTest(id: string, { project, files }: GateWorker): boolean {
  const file = project.fileOf(id)
  return file !== undefined && files.has(file) && project.idOf(file) !== id
}

/** onAsyncLeaks(leaks). Vitest reads the file at the top of each stack. */
export function leaks(frames: FrameFiles): Check {
  return (args, worker) => {
    const permits: Permits = (path) => frames.permits(path, worker)
    const own = listOf(args[0], "onAsyncLeaks' leaks")
      .map((leak) => fieldsOf(leak, 'a leak'))
      .filter((leak) => worker.files.has(String(leak.filename)))
    return pass([
      own.map((leak) => ({
        filename: leak.filename,
        projectName: worker.project.name,
        type: textOf(leak.type, "a leak's type"),
        stack: cleanError(textOf(leak.stack, "a leak's stack"), permits),
      })),
    ])
  }
}

const LONGEST_LOG = 16 * 1024 * 1024

/** onUserConsoleLog(log) */
export const logged: Check = (args, worker) => {
  const log = fieldsOf(args[0], "onUserConsoleLog's log")
  const { type } = log
  if (type !== 'stdout' && type !== 'stderr') throw new ProtocolError('a log to neither stdout nor stderr')
  const content = textOf(log.content, "a log's content")
  const taskId = optionalText(log.taskId, "a log's task")
  const file = taskId === undefined ? undefined : worker.project.fileOf(taskId)
  const origin = optionalText(log.origin, "a log's origin")
  return pass([
    {
      type,
      content:
        content.length > LONGEST_LOG
          ? `${content.slice(0, LONGEST_LOG)}\n[… ${content.length - LONGEST_LOG} more characters]\n`
          : content,
      time: numberOf(log.time, "a log's time"),
      size: numberOf(log.size, "a log's size"),
      ...(taskId === undefined || (file !== undefined && !worker.everRan.has(file)) ? {} : { taskId }),
      ...(origin === undefined ? {} : { origin }),
    },
  ])
}

/** packages/snapshot/src/types/index.ts, SnapshotResult. */
const SNAPSHOT: Shape = { fileDeleted: isFlag, uncheckedKeys: isTexts }
const SNAPSHOT_COUNTS: Shape = {
  added: isAmount,
  matched: isAmount,
  unchecked: isAmount,
  unmatched: isAmount,
  updated: isAmount,
}
/** Vitest adds them to the counts of other files, as they are. */
const NO_SNAPSHOTS = { added: 0, matched: 0, unchecked: 0, unmatched: 0, updated: 0 }

/** snapshotSaved(result): counts for the summary. */
export const snapshotSaved: Check = (args, worker) => {
  const result = fieldsOf(args[0], "snapshotSaved's result")
  const file = textOf(result.filepath, "a snapshot's file")
  return worker.files.has(file)
    ? pass([{ ...pick(result, SNAPSHOT), ...NO_SNAPSHOTS, ...pick(result, SNAPSHOT_COUNTS), filepath: file }])
    : refuse(forbidden(`${JSON.stringify(file)} is not a test file of this worker`))
}

/** resolveSnapshotPath(testPath) */
export const snapshotPath: Check = (args) => pass([textOf(args[0], "resolveSnapshotPath's file")])

/** onTestBenchmark(testId, benchmark) */
export const benchmarked: Check = (args, worker) => {
  const id = textOf(args[0], "onTestBenchmark's test")
  return worker.files.has(worker.project.fileOf(id) ?? '')
    ? pass([id, rebuildBenchmark(args[1])])
    : refuse(forbidden('the test is none of this worker'))
}

/** onCancel(reason). Vitest's runtime calls it when `bail` is reached, and only then. */
export const cancelled: Check = ([reason], { project }) => {
  const reached = project.bail > 0 && project.failedTests() + 1 >= project.bail
  return reason === 'test-failure' && reached ? pass([reason]) : refuse(forbidden('it would end the whole run'))
}

export const failedTests: Check = () => pass([])

/** For methods that are events, or whose answer nobody uses. */
export const ignored: Check = () => answer(undefined)
