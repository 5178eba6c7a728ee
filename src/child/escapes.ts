/**
 * Known ways out, tried in plain Node for `vitest-seccomp doctor`. A confined worker tries them, and doctor itself
 * tries them once more: there they must succeed, or their failure would show nothing.
 */
import { execFileSync } from 'node:child_process'
import { linkSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { escapes } from '../sys/escapes.js'
import type { RuntimeParts } from './entry.js'

/** Files, directories and sockets that doctor prepares. */
export interface Canaries {
  /** A file that holds `secret`. */
  readonly file: string
  readonly secret: string
  /** A directory in which nothing may be made. */
  readonly dir: string
  /** A TCP port that something listens on. */
  readonly port: number
  readonly socket: string
  /** A process outside the worker, which the system itself would allow the worker to signal. */
  readonly parent: number
}

type Try = (canaries: Canaries, own: string) => boolean | Promise<boolean>

const holds = ({ secret }: Canaries, text: string): boolean => text.includes(secret)

const tries: { readonly [what: string]: Try } = {
  'read a file': (canaries) => holds(canaries, readFileSync(canaries.file, 'utf8')),
  'read a file from the thread pool': async (canaries) => holds(canaries, await readFile(canaries.file, 'utf8')),
  'read a file from a worker thread': (canaries) => inThread(canaries),
  'read a file through a symbolic link': (canaries, own) => {
    symlinkSync(canaries.file, join(own, 'link'))
    return holds(canaries, readFileSync(join(own, 'link'), 'utf8'))
  },
  'read a file through a hard link': (canaries, own) => {
    linkSync(canaries.file, join(own, 'hard'))
    return holds(canaries, readFileSync(join(own, 'hard'), 'utf8'))
  },
  'read a file through /proc/self/root': (canaries) =>
    holds(canaries, readFileSync(`/proc/self/root${canaries.file}`, 'utf8')),
  'read a file with another program': (canaries) =>
    holds(canaries, execFileSync('/bin/cat', [canaries.file], { encoding: 'utf8' })),
  'make a file': ({ dir }) => {
    writeFileSync(join(dir, 'made'), '')
    return true
  },
  'connect to a TCP port': ({ port }) => connects({ port, host: '127.0.0.1' }),
  'connect to a unix socket': ({ socket }) => connects({ path: socket }),
  "read Vitest's environment": ({ parent }) => readFileSync(`/proc/${parent}/environ`).length >= 0,
  'signal Vitest itself': ({ parent }) => process.kill(parent, 0),
  'call the kernel directly': ({ file, parent }) => escapes({ paths: [file], parent }, ['files']).length > 0,
}

/** Tries all ways out. Returns those that succeeded. */
export async function attempt(canaries: Canaries): Promise<readonly string[]> {
  const succeeded: string[] = []
  const own = mkdtempSync(join(tmpdir(), 'escapes-'))
  try {
    for (const [what, trying] of Object.entries(tries))
      if (await holdsTrue(() => trying(canaries, own))) succeeded.push(what)
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
  return succeeded
}

export const allEscapes: readonly string[] = Object.keys(tries)

/** True if the attempt succeeded. An error of any kind counts as a refusal. */
async function holdsTrue(trying: () => boolean | Promise<boolean>): Promise<boolean> {
  return await new Promise<boolean>((resolve) => resolve(trying())).catch(() => false)
}

function connects(where: { port: number; host: string } | { path: string }): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(where)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', reject)
  })
}

function inThread({ file, secret }: Canaries): Promise<boolean> {
  const code =
    "const { parentPort, workerData: [file, secret] } = require('node:worker_threads'); parentPort.postMessage(require('node:fs').readFileSync(file, 'utf8').includes(secret))"
  return new Promise((resolve, reject) => {
    const thread = new Worker(code, { eval: true, workerData: [file, secret] })
    thread.once('message', resolve)
    thread.once('error', reject)
    thread.once('exit', () => reject(new Error('the thread said nothing')))
  })
}

export const CANARIES = 'VITEST_SECCOMP_CANARIES'

/** The runtime of a confined worker: sends the ways that succeeded, as JSON, and ends. */
export function main({ transport }: Pick<RuntimeParts, 'transport'>): void {
  const socket = new Socket({ fd: transport, readable: true, writable: true })
  // The cast: doctor.ts writes it.
  const canaries = JSON.parse(process.env[CANARIES] ?? '') as Canaries
  void attempt(canaries).then((succeeded) => void socket.end(JSON.stringify(succeeded), () => process.exit()))
}
