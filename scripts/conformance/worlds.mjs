/** The worlds the programs of a suite run in: a plain Node process, without and with a filter, and a confined worker that may do all that it needs. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { declaredRefusals } from './declared.mjs'
import { MARK } from './program.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const project = dirname(dirname(here))
/** Over the program's own limit: for a worker's start and end. */
const PATIENCE = 15
const searchPath = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin']

const environment = (programs) => ({
  PATH: searchPath.join(':'),
  HOME: programs[0].env.HOME,
  TMPDIR: programs[0].env.HOME,
  LANG: 'C.UTF-8',
  CONFORMANCE_PROGRAMS: JSON.stringify(programs),
})

/** What is told, as it comes; `giveUp` is called where one program takes longer than it may. */
class Results {
  results = []
  #tell
  /** Resolves once all have told. */
  all = new Promise((resolve) => void (this.#tell = resolve))
  #output = ''
  #timer

  constructor(programs, streams, giveUp) {
    const wait = () => {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(giveUp, ((programs[this.results.length]?.seconds ?? 0) + PATIENCE) * 1000)
    }
    wait()
    for (const stream of streams)
      stream.setEncoding('utf8').on('data', (text) => {
        const lines = (this.#output + text).split('\n')
        this.#output = lines.pop()
        for (const line of lines) {
          if (!line.startsWith(MARK)) continue
          this.results.push(JSON.parse(line.slice(MARK.length)))
          wait()
          if (this.results.length === programs.length) this.#tell()
        }
      })
  }

  /** Those of programs that were not told of are missing. */
  end() {
    clearTimeout(this.#timer)
    return this.results
  }
}

/**
 * What the broker does for a worker it does as the user who started the run: as root with these powers over files and ports. A plain
 * process gets the same and no others, so it cannot change this machine, either.
 */
const POWERS = ['chown', 'dac_override', 'dac_read_search', 'fowner', 'fsetid', 'net_bind_service']
const AS_A_WORKER = [
  'setpriv',
  '--bounding-set',
  ['-all', ...POWERS.map((name) => `+${name}`)].join(),
  '--no-new-privs',
  '--',
]

/** `plain`, and `filtered`: the same behind a filter that refuses what no manifest grants. */
export async function plainWorlds(dist, scratch) {
  const filter = join(scratch, 'filter')
  writeFileSync(filter, await declaredRefusals(dist))
  return {
    plain: (programs) => plain(programs, {}),
    filtered: (programs) => plain(programs, { CONFORMANCE_DIST: dist, CONFORMANCE_FILTER: filter }),
  }
}

async function plain(programs, more) {
  const [file, ...args] = [...AS_A_WORKER, process.execPath, `${here}/program.mjs`]
  const child = spawn(file, args, {
    env: { ...environment(programs), ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.once('error', (error) => {
    throw error
  })
  const told = new Results(programs, [child.stdout, child.stderr], () => child.kill('SIGKILL'))
  await new Promise((resolve) => child.once('exit', resolve))
  return told.end()
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
  return async (programs, { manifest, root }) => {
    const { policy, executable } = bind(manifest, root)
    const incidents = new Set()
    const faults = []
    const worker = await theHost().start({
      execArgv: [],
      env: { ...environment(programs), VITEST_SECCOMP_WORKER: randomUUID() },
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
    const told = new Results(programs, [worker.stdout, worker.stderr], () => void worker.stop())
    const closed = Promise.all(
      [worker.stdout, worker.stderr].map((stream) => new Promise((resolve) => void stream.once('close', resolve))),
    )
    await Promise.race([worker.exited, told.all])
    await worker.settled()
    await worker.stop()
    await closed
    return told.end().map((result) => ({ ...result, incidents: [...incidents], faults }))
  }
}

/** What the broker said to a refused call, for who reads why two verdicts differ. */
function describe({ outcome, call, name, why, request }) {
  return [outcome, call, name, why, request?.access, request?.path ?? JSON.stringify(request?.address)]
    .filter((part) => part !== undefined)
    .join(' ')
}
