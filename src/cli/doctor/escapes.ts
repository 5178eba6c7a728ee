/** Tries known ways out in a real confined worker, and for comparison without confinement. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { builtFile } from '../../broker/built.js'
import type { ConfinedWorker } from '../../broker/worker.js'
import type { Canaries } from '../../child/escapes.js'
import { STAGE_MS } from '../../limits.js'
import { baseGrants } from '../../policy/base.js'
import type { PolicyData } from '../../policy/policy.js'
import { bytePath } from '../../policy/request.js'
import { lookup } from '../../project/lookup.js'
import { dist } from '../dist.js'

export interface Escapes {
  /** The ways out that succeeded in the confined worker. Must be empty. */
  readonly succeeded: readonly string[]
  /** The ways out that the confined worker was refused, and that succeed without confinement. */
  readonly refused: readonly string[]
  /** The ways out that fail here even without confinement, so that their refusal proves nothing. */
  readonly impossible: readonly string[]
  /** The reason why no worker came up; none if one did. */
  readonly failure?: string
}

/** Tries the ways out. `more`: grants that should not be there, so that a test can see that they are noticed. */
export async function tryWaysOut(
  more: Pick<PolicyData, 'lists' | 'sockets'> = { lists: [], sockets: [] },
): Promise<Escapes> {
  const { allEscapes, attempt } = await import('../../child/escapes.js')
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'vitest-seccomp-doctor-')))
  const own = realpathSync(mkdtempSync(join(tmpdir(), 'vitest-seccomp-doctor-')))
  const servers: Server[] = []
  try {
    const secret = randomUUID()
    writeFileSync(join(dir, 'canary'), secret)
    const [tcp, unix] = [createServer(), createServer()]
    servers.push(tcp, unix)
    await listening(tcp, { port: 0, host: '127.0.0.1' })
    await listening(unix, { path: join(dir, 'socket') })
    const address = tcp.address()
    const canaries: Canaries = {
      file: join(dir, 'canary'),
      secret,
      dir,
      socket: join(dir, 'socket'),
      parent: process.pid,
      port: address instanceof Object ? address.port : 0,
    }
    const confined = await confinedAttempt(canaries, own, more)
    if (typeof confined === 'string') return { succeeded: [], refused: [], impossible: [], failure: confined }
    const unconfined = new Set(await attempt(canaries))
    const refused = allEscapes.filter((what) => !confined.includes(what))
    return {
      succeeded: confined,
      refused: refused.filter((what) => unconfined.has(what)),
      impossible: refused.filter((what) => !unconfined.has(what)),
    }
  } finally {
    for (const server of servers) server.close()
    for (const made of [dir, own]) rmSync(made, { recursive: true, force: true })
  }
}

function listening(server: Server, where: { port: number; host: string } | { path: string }): Promise<void> {
  server.on('connection', (socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, resolve)
  })
}

/** The ways out that succeeded, or the reason why there was no worker to try them. */
async function confinedAttempt(
  canaries: Canaries,
  own: string,
  more: Pick<PolicyData, 'lists' | 'sockets'>,
): Promise<readonly string[] | string> {
  const { theHost } = await import('../../broker/host.js')
  let worker: ConfinedWorker | undefined
  try {
    worker = await theHost().start({
      execArgv: [],
      env: { TMPDIR: own, VITEST_SECCOMP_CANARIES: JSON.stringify(canaries) },
      denied: 'eacces',
      stageTimeout: STAGE_MS,
      policy: policyFor(own, more),
      setup: {
        landlock: [{ path: dist, right: 'read' }, ...nodeModules().map((path) => ({ path, right: 'read' as const }))],
        preload: [],
        runner: 'node:path',
        runtime: pathToFileURL(builtFile('escapes.js')).href,
        selfCheck: { paths: [canaries.file], parent: canaries.parent },
      },
      onIncident: () => {},
      onFault: () => {},
    })
    worker.stdout.resume()
    worker.stderr.resume()
    let text = ''
    for await (const piece of worker.transport.setEncoding('utf8')) text += String(piece)
    const said: unknown = text === '' ? undefined : JSON.parse(text)
    return Array.isArray(said) ? said.map(String) : 'the worker ended without a word'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    await worker?.stop()
  }
}

/** The policy: a temporary directory of its own, and what Node needs, as for a test without a manifest. */
function policyFor(own: string, more: Pick<PolicyData, 'lists' | 'sockets'>): PolicyData {
  const lists = baseGrants({ lookup, nodeExec: process.execPath, nodeModules: nodeModules(), packageDir: dist })
  const tmp = {
    effect: 'grant',
    access: 'write',
    shape: 'tree',
    root: bytePath(own),
    aliases: [],
    source: '<tmp>/',
    at: 'doctor',
  } as const
  return { mode: 'enforce', lists: [...lists, [tmp], ...more.lists], sockets: more.sockets }
}

/** The real directory of koffi. */
function nodeModules(): readonly string[] {
  const [tree = ''] =
    /^.*\/node_modules(?=\/)/.exec(
      realpathSync(createRequire(import.meta.url).resolve(`@koromix/koffi-linux-${process.arch}`)),
    ) ?? []
  return [tree]
}
