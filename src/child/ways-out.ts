/**
 * Known ways out, tried in Node's own words, for `vitest-seccomp doctor`: by a confined worker, and once more by doctor
 * itself, where they must succeed for their failing to show anything.
 */
import { execFileSync } from 'node:child_process'
import { linkSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { waysOut } from '../sys/ways-out.js'
import type { RuntimeParts } from './entry.js'

/** What doctor lays out for it. */
export interface Baits {
  /** A file that holds `secret`. */
  readonly file: string
  readonly secret: string
  /** Where nothing may be made. */
  readonly dir: string
  /** Something listens there. */
  readonly port: number
  readonly socket: string
  /** A process outside the worker, which may be signalled as far as the system is concerned. */
  readonly parent: number
}

type Try = (baits: Baits, own: string) => boolean | Promise<boolean>

const holds = ({ secret }: Baits, text: string): boolean => text.includes(secret)

const tries: { readonly [what: string]: Try } = {
  'read a file': (baits) => holds(baits, readFileSync(baits.file, 'utf8')),
  'read a file from the thread pool': async (baits) => holds(baits, await readFile(baits.file, 'utf8')),
  'read a file from a worker thread': (baits) => inThread(baits),
  'read a file through a symbolic link': (baits, own) => {
    symlinkSync(baits.file, join(own, 'link'))
    return holds(baits, readFileSync(join(own, 'link'), 'utf8'))
  },
  'read a file through a hard link': (baits, own) => {
    linkSync(baits.file, join(own, 'hard'))
    return holds(baits, readFileSync(join(own, 'hard'), 'utf8'))
  },
  'read a file through /proc/self/root': (baits) => holds(baits, readFileSync(`/proc/self/root${baits.file}`, 'utf8')),
  'read a file with another program': (baits) =>
    holds(baits, execFileSync('/bin/cat', [baits.file], { encoding: 'utf8' })),
  'make a file': ({ dir }) => {
    writeFileSync(join(dir, 'made'), '')
    return true
  },
  'connect to a TCP port': ({ port }) => connects({ port, host: '127.0.0.1' }),
  'connect to a unix socket': ({ socket }) => connects({ path: socket }),
  "read Vitest's environment": ({ parent }) => readFileSync(`/proc/${parent}/environ`).length >= 0,
  'signal Vitest itself': ({ parent }) => process.kill(parent, 0),
  'call the kernel directly': ({ file, parent }) => waysOut({ paths: [file], parent }, ['files']).length > 0,
}

/** What succeeded. */
export async function attempt(baits: Baits): Promise<readonly string[]> {
  const succeeded: string[] = []
  const own = mkdtempSync(join(tmpdir(), 'ways-out-'))
  try {
    for (const [what, trying] of Object.entries(tries))
      if (await holdsTrue(() => trying(baits, own))) succeeded.push(what)
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
  return succeeded
}

export const allWaysOut: readonly string[] = Object.keys(tries)

/** Whatever a refusal looks like, it is no success. */
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

function inThread({ file, secret }: Baits): Promise<boolean> {
  const code =
    "const { parentPort, workerData: [file, secret] } = require('node:worker_threads'); parentPort.postMessage(require('node:fs').readFileSync(file, 'utf8').includes(secret))"
  return new Promise((resolve, reject) => {
    const thread = new Worker(code, { eval: true, workerData: [file, secret] })
    thread.once('message', resolve)
    thread.once('error', reject)
    thread.once('exit', () => reject(new Error('the thread said nothing')))
  })
}

export const BAITS = 'VITEST_SECCOMP_BAITS'

/** As the runtime of a confined worker: says what succeeded, as JSON, and ends. */
export function main({ transport }: Pick<RuntimeParts, 'transport'>): void {
  const socket = new Socket({ fd: transport, readable: true, writable: true })
  // doctor.ts writes it.
  const baits = JSON.parse(process.env[BAITS] ?? '') as Baits
  void attempt(baits).then((succeeded) => void socket.end(JSON.stringify(succeeded), () => process.exit()))
}
