/** The two worlds a program of a suite runs in: a plain Node process, and a confined worker that may do all that it needs. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MARK } from './program.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const project = dirname(dirname(here))
/** Over the program's own limit: for a worker's start and end. */
const PATIENCE = 15
const searchPath = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin']

const environment = (program) => ({
  PATH: searchPath.join(':'),
  HOME: program.cwd,
  TMPDIR: program.cwd,
  LANG: 'C.UTF-8',
  CONFORMANCE_PROGRAM: JSON.stringify(program),
})

function resultIn(output, otherwise) {
  const line = output.split('\n').findLast((text) => text.startsWith(MARK))
  return line === undefined ? { error: otherwise, output } : JSON.parse(line.slice(MARK.length))
}

/** As a worker is, whoever runs this: without capabilities, and with no way to get any. So nothing can change this machine, either. */
const WITHOUT_PRIVILEGES = ['setpriv', '--bounding-set', '-all', '--no-new-privs', '--']

export async function plain(program) {
  const [file, ...args] = [...WITHOUT_PRIVILEGES, process.execPath, `${here}/program.mjs`]
  const child = spawn(file, args, {
    env: environment(program),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.once('error', (error) => {
    throw error
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk.toString('utf8')))
  const timer = setTimeout(() => child.kill('SIGKILL'), (program.seconds + PATIENCE) * 1000)
  const code = await new Promise((resolve) => child.once('exit', resolve))
  clearTimeout(timer)
  return resultIn(output, `exit code ${code}`)
}

/** `manifest`: of the suite. */
export async function confinement(dist) {
  const load = (file) => import(pathToFileURL(`${dist}/${file}`).href)
  const { theHost } = await load('broker/host.js')
  const { baseGrants } = await load('policy/base.js')
  const { bindOptions } = await load('policy/bind.js')
  const { parseOptions } = await load('policy/schema.js')
  const { programsOf } = await load('broker/programs.js')
  const { lookup } = await load('project/lookup.js')
  const base = baseGrants({
    lookup,
    nodeExec: process.execPath,
    nodeModules: [`${project}/node_modules`],
    packageDir: dist,
    runtimeDirs: [here],
  })
  // Programs are looked for once for each manifest.
  const bound = new Map()
  const bind = (manifest, root) => {
    const key = JSON.stringify([manifest, root])
    if (!bound.has(key)) {
      const { lists, sockets } = bindOptions(parseOptions({ manifest }), {
        root,
        workspace: root,
        home: root,
        tmp: root,
        file: root,
        lookup,
        searchPath,
      })
      const programs = programsOf([...base, ...lists], searchPath)
      bound.set(key, {
        policy: { mode: 'enforce', sockets, lists: [...base, ...lists, programs.implied] },
        executable: programs.executable,
      })
    }
    return bound.get(key)
  }
  return async (program, { manifest, root }) => {
    const { policy, executable } = bind(manifest, root)
    const incidents = new Set()
    const faults = []
    const worker = await theHost().start({
      execArgv: [],
      env: { ...environment(program), VITEST_SECCOMP_WORKER: randomUUID() },
      denied: 'eacces',
      stageTimeout: 30_000,
      policy,
      executable,
      setup: {
        landlock: [
          ...[`${project}/node_modules`, here, dist].map((path) => ({ path, right: 'read' })),
          ...executable.map((path) => ({ path, right: 'execute' })),
        ],
        runner: pathToFileURL(`${here}/program.mjs`).href,
        preload: [],
      },
      onIncident: (incident) => incidents.add(describe(incident)),
      onFault: (detail) => faults.push(detail),
    })
    let output = ''
    worker.stdout.on('data', (chunk) => (output += chunk.toString('utf8')))
    worker.stderr.on('data', (chunk) => (output += chunk.toString('utf8')))
    worker.stderr.resume()
    const closed = Promise.all(
      [worker.stdout, worker.stderr].map((stream) => new Promise((resolve) => void stream.once('close', resolve))),
    )
    const timer = setTimeout(() => void worker.stop(), (program.seconds + PATIENCE) * 1000)
    const exit = await worker.exited
    clearTimeout(timer)
    await worker.settled()
    await worker.stop()
    await closed
    const ended = exit.signal ?? `exit code ${exit.code}`
    return { ...resultIn(output, `the worker ended with ${ended}`), incidents: [...incidents], faults }
  }
}

/** What the broker said to a refused call, for who reads why two verdicts differ. */
function describe({ outcome, call, name, why, request }) {
  return [outcome, call, name, why, request?.access, request?.path ?? JSON.stringify(request?.address)]
    .filter((part) => part !== undefined)
    .join(' ')
}
