/**
 * Checks calls in which Vitest's own process reads or writes a file that a test names: attachments and benchmark
 * results.
 */
import { constants, ftruncateSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isWithin } from '../../policy/canonical.js'
import { allowed, type Refusal } from '../../policy/event.js'
import { decide } from '../../policy/policy.js'
import { bytePath, type PathRequest } from '../../policy/request.js'
import { isKernel, readOf, refusedAccess } from './import-verdict.js'
import { answer, fail, forbidden, pass, refuse, type Check, type GateWorker } from './outcome.js'
import type { PrivateCopies } from './private-copies.js'
import { readSafely, withFile } from './safe-open.js'
import { field, fieldsOf, isFields, listOf, optionalText, textOf, type Fields } from './values.js'
import { walk, type Walked } from './walk.js'

/**
 * onTaskArtifactRecord(testId, artifact), and onTaskAnnotate(testId, annotation) of Vitest 3. `rebuild` makes what
 * Vitest gets of what the worker sent.
 */
export function recorded(copies: PrivateCopies, rebuild: (given: Fields) => Fields): Check {
  return (args, worker) => {
    const [id, artifact] = [textOf(args[0], "an artifact's test"), rebuild(fieldsOf(args[1], 'an artifact'))]
    if (!worker.files.has(worker.project.fileOf(id) ?? '')) return refuse(forbidden('the test is none of this worker'))
    // Vitest follows the stacks in it. Tests in Node record one if `experimental.traceTimeline` asks for it.
    if (artifact.type === 'internal:browserTrace') return answer(artifact)
    const attachments = attachmentsOf(artifact).map((attachment) => ({ attachment, path: localPath(attachment) }))
    const found: { readonly attachment: Fields; readonly walked: Walked }[] = []
    for (const { attachment, path } of attachments) {
      if (path === undefined) continue
      const full = resolve(worker.project.root, path)
      const walked = walk(full)
      const refused = checkAttachment(full, walked, worker)
      if (refused !== undefined) return refuse(refused)
      if (walked.kind === 'missing') return fail(notThere(path))
      found.push({ attachment, walked })
    }
    const made: string[] = []
    try {
      for (const { attachment, walked } of found) {
        // Vitest gets the path that was judged, or a copy if the file could be replaced before Vitest copies it.
        const ending = isRunByName(artifact, walked) ? '.text' : ''
        const copy = ending !== '' || isWritable(walked, worker) ? copies.make(walked.real, ending) : undefined
        if (copy !== undefined) made.push(copy)
        Reflect.set(attachment, 'path', copy ?? walked.real)
      }
    } catch (error) {
      copies.remove(made)
      throw error
    }
    return pass([id, artifact], (result) => {
      copies.remove(made)
      return { result }
    })
  }
}

/**
 * True if the file that Vitest makes of an annotation has a name by which `node --test` finds what it runs, `test-*.js`, or
 * pytest examples to run, `test*.txt`. Vitest begins it with the message, and keeps the ending:
 * packages/vitest/src/node/test-run.ts.
 */
function isRunByName({ annotation, message }: Fields, { real }: Walked): boolean {
  const text = isFields(annotation) ? annotation.message : message
  return typeof text === 'string' && /^test/i.test(text) && /\.(?:[cm]?[jt]sx?|txt)$/i.test(real)
}

/** The path of an attachment. An address on the network is only shown, so it has none. */
function localPath(attachment: Fields): string | undefined {
  const path = optionalText(field(attachment, 'path'), "an attachment's path")
  return path === undefined || path === '' || /^https?:\/\//.test(path) ? undefined : path
}

function isWritable(walked: Walked, worker: GateWorker): boolean {
  const request: PathRequest = { ...readOf(walked.real), access: 'write' }
  return worker.writes.covering(walked) !== undefined || decide(worker.policy, request).allowed
}

function attachmentsOf(artifact: Fields): Fields[] {
  const annotation = field(artifact, 'annotation')
  const single = [field(artifact, 'attachment'), isFields(annotation) ? field(annotation, 'attachment') : undefined]
  const several = field(artifact, 'attachments')
  return [...single, ...(several === undefined ? [] : listOf(several, "an artifact's attachments"))]
    .filter((attachment) => attachment !== undefined && attachment !== null)
    .map((attachment) => fieldsOf(attachment, 'an attachment'))
}

function checkAttachment(path: string, walked: Walked, worker: GateWorker): Refusal | undefined {
  const { project, writes } = worker
  // pathe, by which Vitest resolves names, takes it for a slash.
  if (walked.real.includes('\\')) return forbidden(`the path ${path} contains a backslash`)
  const entry = writes.reaches(project.attachmentsDir)
  // Vitest overwrites a predictable name there, and follows a link in its place.
  if (entry !== undefined) {
    return forbidden(
      `Vitest copies attachments to ${project.attachmentsDir}, where tests may write; ` +
        `exclude that directory from write: ['${entry}']`,
    )
  }
  return checkRead(path, walked, worker)
}

function checkRead(path: string, walked: Walked, worker: GateWorker): Refusal | undefined {
  if (isKernel(walked, path))
    return forbidden(`Vitest's own process would read ${path}, where the kernel answers for that process`)
  if (walked.kind === 'other' || walked.kind === 'dir') return forbidden(`${path} is not a regular file`)
  return checkAccess('read', path, walked.real, worker)
}

function checkAccess(access: 'read' | 'write', path: string, real: string, worker: GateWorker): Refusal | undefined {
  const request: PathRequest = { ...readOf(real), access }
  const verdict = decide(worker.policy, request)
  if (!verdict.allowed) return refusedAccess(request, verdict.reason, path, worker)
  worker.used(allowed(request, verdict.granted))
  return undefined
}

/** The error of copyFile(), as a test finds it in the stock pool. */
function notThere(path: string): Error {
  const text = `ENOENT: no such file or directory, copyfile '${path}'`
  return Object.assign(new Error(text), { code: 'ENOENT', errno: -2, syscall: 'copyfile', path })
}

const LARGEST_RESULT = 64 * 1024 * 1024

/** readBenchmarkResult(path). The gate reads the file itself, because Vitest would follow every link on the way. */
export const readBenchmark: Check = (args, worker) => {
  const path = resolve(worker.project.root, textOf(args[0], "readBenchmarkResult's path"))
  if (!isInRoot(path, worker)) return fail(outside(path))
  const walked = walk(path)
  const { real, kind } = walked
  const refused = checkRead(path, walked, worker)
  if (refused !== undefined) return refuse(refused)
  if (kind !== 'file') return answer(null)
  try {
    return answer(JSON.parse(readSafely(real, LARGEST_RESULT).toString('utf8')))
  } catch (error) {
    // The error's own message quotes the file.
    if (error instanceof SyntaxError) return fail(new Error(`${path} is not JSON`))
    throw error
  }
}

/** writeBenchmarkResult(path, data) */
export const writeBenchmark: Check = (args, worker) => {
  const path = resolve(worker.project.root, textOf(args[0], "writeBenchmarkResult's path"))
  if (!isInRoot(path, worker)) return fail(outside(path))
  const { real, kind } = walk(path)
  if (kind === 'other') return refuse(forbidden(`${path} is not a regular file`))
  const refused = checkAccess('write', path, real, worker)
  if (refused !== undefined) return refuse(refused)
  const { O_WRONLY, O_CREAT } = constants
  withFile(
    real,
    O_WRONLY | O_CREAT,
    (fd) => {
      ftruncateSync(fd)
      writeFileSync(fd, `${JSON.stringify(args[1], null, 2)}\n`)
    },
    'make',
  )
  return answer(undefined)
}

function isInRoot(path: string, { project }: GateWorker): boolean {
  return isWithin(bytePath(path), bytePath(project.root))
}

function outside(path: string): Error {
  return new Error(`The benchmark result ${path} is outside the project's root`)
}
