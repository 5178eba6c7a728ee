/** The two worlds a program runs in: a plain Node process, and a worker behind the filter. */
import { fork, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MARK } from './program.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const project = dirname(dirname(here))
const nodeModules = `${project}/node_modules`
const escapes = `${project}/fixtures/escapes`
const OUTPUT_LIMIT = 65_536

function environment(program, stage) {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: stage.playground,
    TMPDIR: stage.playground,
    LANG: 'C.UTF-8',
    ESCAPES_PROGRAM: pathToFileURL(program).href,
    ESCAPES_STAGE: Buffer.from(JSON.stringify(stage)).toString('base64'),
  }
}

/** The result line in what a program printed; undefined where it did not get so far. */
function resultIn(output) {
  const line = output.split('\n').findLast((text) => text.startsWith(MARK))
  return line === undefined ? undefined : JSON.parse(line.slice(MARK.length))
}

function collector() {
  let output = ''
  return {
    add: (text) => {
      output = (output + text).slice(-OUTPUT_LIMIT)
    },
    get text() {
      return output
    },
  }
}

function outcome(output, errors, { code, signal }, timedOut) {
  const result = resultIn(output.text)
  if (result !== undefined) return { ...result, ended: 'by itself', printed: errors.text }
  const ended = timedOut ? 'time limit' : (signal ?? `exit code ${code}`)
  return { refused: `no result (${ended})`, ended, printed: errors.text.slice(-600) }
}

/** In a process group of its own, so that what it leaves behind can be ended. */
export async function unconfined(program, stage, seconds) {
  const child = spawn(process.execPath, [`${here}/plain.mjs`], {
    env: environment(program, stage),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const [output, errors] = [collector(), collector()]
  child.stdout.setEncoding('utf8').on('data', output.add)
  child.stderr.setEncoding('utf8').on('data', errors.add)
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    endGroup(child.pid)
  }, seconds * 1000)
  const exit = await new Promise((resolve) => {
    // A grandchild may hold the pipes open for longer than anybody wants to wait.
    child.once('exit', (code, signal) => setTimeout(() => resolve({ code, signal }), 20))
  })
  clearTimeout(timer)
  endGroup(child.pid)
  child.stdout.destroy()
  child.stderr.destroy()
  return outcome(output, errors, exit, timedOut)
}

function endGroup(leader) {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** Rules as the manifest's compiler would make them. `extra`: what the program itself asks for. */
function policyFor(base, bytePath, stage, extra, resources) {
  const rule = (effect, access, shape, root, more = {}) => ({
    effect,
    access,
    shape,
    root: bytePath(root),
    aliases: [],
    source: root,
    at: 'escapes',
    ...more,
  })
  const grant = (access, shape, root, pattern) => rule('grant', access, shape, root, pattern && { pattern })
  const exclude = (shape, root, pattern) => rule('exclude', 'write', shape, root, pattern && { pattern })
  const socket = (access, target) => ({ access, target, source: JSON.stringify(target), at: 'escapes' })
  const unix = (access, path) => socket(access, { family: 'unix', shape: 'file', root: bytePath(path), aliases: [] })
  const loopback = (access, protocol, port) =>
    socket(access, {
      family: 'inet',
      protocol,
      ports: { from: port, to: port },
      host: { kind: 'networks', networks: [{ address: '127.0.0.1', prefix: 32 }] },
    })
  const deny = (shape, root) => rule('exclude', 'read', shape, root, { quiet: 'absent' })
  const given = extra({ grant, exclude, deny, unix, loopback })
  const denied = given.filter(({ quiet }) => quiet !== undefined)
  const asked = given.filter((item) => !denied.includes(item))
  const of = (...kinds) =>
    asked.filter((item) => kinds.includes(item.target ? 'socket' : item.effect === 'exclude' ? 'exclude' : item.access))
  return {
    mode: 'enforce',
    denied,
    sockets: of('socket'),
    resources,
    lists: [
      ...base,
      [
        grant('read', 'tree', stage.playground),
        grant('read', 'file', stage.grantedFile),
        grant('read', 'file', stage.readOnlyFile),
        grant('read', 'tree', nodeModules),
        grant('read', 'file', process.execPath),
        grant('read', 'tree', escapes),
        ...of('read', 'exclude'),
      ],
      [grant('write', 'tree', stage.playground), ...of('write', 'exclude')],
      of('content'),
      of('execute'),
    ],
  }
}

/** `support`: what the broker takes this kernel for, where it can do more. */
export async function confinement(dist, support) {
  const { Host } = await import(pathToFileURL(`${dist}/broker/host.js`).href)
  const host = new Host(support === undefined ? {} : { support })
  const { bytePath } = await import(pathToFileURL(`${dist}/policy/request.js`).href)
  const { baseGrants } = await import(pathToFileURL(`${dist}/policy/base.js`).href)
  const { lookup } = await import(pathToFileURL(`${dist}/project/lookup.js`).href)
  // What every worker has: /proc/self by name, devices for their content, time zones.
  const base = baseGrants({ lookup, nodeExec: process.execPath, nodeModules: [nodeModules], packageDir: dist })
  const { bindOptions } = await import(pathToFileURL(`${dist}/policy/bind.js`).href)
  const { parseOptions } = await import(pathToFileURL(`${dist}/policy/schema.js`).href)
  /** As a manifest would have them. */
  const bound = (resources, { root, playground }) =>
    bindOptions(parseOptions({ manifest: { resources } }), {
      root,
      workspace: root,
      home: root,
      tmp: playground,
      file: root,
      lookup,
    }).resources
  const modules = { roots: [nodeModules], aliases: [], without: [] }
  const { moduleTables } = await import(pathToFileURL(`${dist}/broker/module-tables.js`).href)
  // From the second worker on there is a table.
  moduleTables.tableFor(modules, Date.now(), false)
  const { STAGE_MS } = await import(pathToFileURL(`${dist}/limits.js`).href)
  const { programsOf } = await import(pathToFileURL(`${dist}/broker/programs.js`).href)

  /** `grants(makers, stage)` of a program names what it gets besides the usual, `resources(stage)` what it may acquire. */
  return async function confined(program, stage, seconds, { grants = () => [], resources = () => ({}) } = {}) {
    const incidents = []
    const faults = []
    const policy = policyFor(base, bytePath, stage, (makers) => grants(makers, stage), bound(resources(stage), stage))
    const { executable } = programsOf(policy.lists, [], policy.denied)
    const worker = await host.start({
      execArgv: [],
      env: { ...environment(program, stage), VITEST_SECCOMP_WORKER: randomUUID() },
      denied: 'eacces',
      stageTimeout: STAGE_MS,
      policy,
      executable,
      modules,
      setup: {
        landlock: [
          ...[nodeModules, here, dist, `${escapes}/lib`].map((path) => ({ path, right: 'read' })),
          ...executable.map((path) => ({ path, right: 'execute' })),
        ],
        runner: pathToFileURL(`${here}/worker.mjs`).href,
        preload: [],
      },
      onIncident: (incident) => incidents.push(incident),
      onFault: (detail) => faults.push(detail),
    })
    const [output, errors] = [collector(), collector()]
    worker.stdout.setEncoding('utf8').on('data', output.add)
    worker.stderr.setEncoding('utf8').on('data', errors.add)
    // The host has paused it after the start.
    worker.stderr.resume()
    let timer
    const timeout = new Promise((resolve) => {
      timer = setTimeout(resolve, seconds * 1000, 'time limit')
    })
    const first = await Promise.race([worker.exited, timeout])
    clearTimeout(timer)
    const exit = await worker.stop()
    return { ...outcome(output, errors, exit, first === 'time limit'), incidents, faults, landlock: worker.landlock }
  }
}

/** Runs a program in a worker of another run, with a broker process of its own. */
export function anotherRun(dist, support) {
  return async function confined(program, stage, seconds) {
    const run = fork(`${here}/another-run.mjs`)
    run.send({ dist, support, program, stage, seconds })
    const [result] = await Promise.race([once(run, 'message'), once(run, 'exit')])
    return typeof result === 'object' && result !== null ? result : { failed: `the other run ended with ${result}` }
  }
}
