import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
/** A confined worker without Vitest, which runs what it is told, one request after the other. */
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
export const project = dirname(dirname(here))
const dist = join(project, 'dist')
const built = (path) => import(pathToFileURL(join(dist, path)).href)
const searchPath = (process.env.PATH ?? '').split(':').filter((path) => path.startsWith('/'))

export async function policyOf(manifest, root) {
  const [{ baseGrants }, { bindOptions }, { parseOptions }, { programsOf }, { lookup }] = await Promise.all(
    ['policy/base.js', 'policy/bind.js', 'policy/schema.js', 'broker/programs.js', 'project/lookup.js'].map(built),
  )
  const bound = bindOptions(parseOptions({ manifest }), {
    root,
    workspace: root,
    home: '/nonexistent',
    tmp: root,
    file: root,
    lookup,
    searchPath,
  })
  const { implied, executable } = programsOf(bound.lists, searchPath)
  const base = baseGrants({
    lookup,
    nodeExec: process.execPath,
    nodeModules: [join(project, 'node_modules')],
    packageDir: dist,
    runtimeDirs: [here],
  })
  return { executable, policy: { mode: 'enforce', sockets: bound.sockets, lists: [...base, ...bound.lists, implied] } }
}

/** `ask(operation, ...args)` calls the function of that name in worker.mjs. */
export async function startConfined(manifest, root, more = {}) {
  const { theHost } = await built('broker/host.js')
  const { policy, executable } = await policyOf(manifest, root)
  const said = []
  const worker = await theHost().start({
    execArgv: [],
    policy,
    denied: 'eacces',
    stageTimeout: 20_000,
    executable,
    env: { PATH: process.env.PATH ?? '', TMPDIR: root, VITEST_SECCOMP_WORKER: randomUUID(), ...more },
    setup: {
      runtime: pathToFileURL(join(here, 'worker.mjs')).href,
      runner: 'node:path',
      preload: [],
      landlock: [{ path: here, right: 'read' }, ...executable.map((path) => ({ path, right: 'execute' }))],
    },
    onIncident: (incident) => said.push(JSON.stringify(incident)),
    onFault: (detail) => said.push(detail),
  })
  worker.stderr.resume().on('data', (chunk) => said.push(String(chunk)))
  const answers = createInterface({ input: worker.transport })
  const waiting = []
  answers.on('line', (line) => waiting.shift()?.(JSON.parse(line)))
  answers.on('close', () => {
    for (const give of waiting.splice(0)) give({ error: `the worker ended\n${said.join('\n')}` })
  })
  return {
    worker,
    async ask(operation, ...args) {
      const answer = await new Promise((resolve) => {
        waiting.push(resolve)
        worker.transport.write(`${JSON.stringify({ operation, args })}\n`)
      })
      if (answer.error !== undefined) throw new Error(`${operation}: ${answer.error}\n${said.join('\n')}`)
      return answer.value
    },
    stop: () => worker.stop(),
  }
}
