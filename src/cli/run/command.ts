/** `vitest-seccomp run` runs Vitest itself behind the broker, from its first instruction on. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { builtFile } from '../../broker/built.js'
import type { Ground } from '../../broker/ceiling.js'
import { MOST_BYTES } from '../../broker/control-socket.js'
import { realTmp, tmpVariables } from '../../broker/environment.js'
import type { Batch, LedgerLine } from '../../broker/ledger.js'
import { missingByPlugAndPlay } from '../../broker/plug-n-play.js'
import type { LauncherNotice, LauncherRequest } from '../../broker/run-control.js'
import { COOKIE } from '../../broker/strays.js'
import { pathToSystem } from '../../broker/system-path.js'
import { newTmpName } from '../../broker/tmp.js'
import type { Exit } from '../../broker/worker.js'
import { codeOf, UnsupportedError } from '../../errors.js'
import { frame, FrameReader } from '../../framing.js'
import { STAGE_MS } from '../../limits.js'
import { MANIFEST_FILE } from '../../policy/manifest.js'
import { DIRS_OF_CACHES } from '../../policy/runner-base.js'
import { parseOptions, withManifestFile } from '../../policy/schema.js'
import { canariesFor, landlockRules } from '../../project/early.js'
import { definedOnly } from '../../project/environment.js'
import { refuseOldNode } from '../../project/node-version.js'
import { plainly } from '../../vitest/plainly.js'
import { EXIT, type Command, type Io } from '../command.js'
import { dist } from '../dist.js'
import { readRunArguments, rootOf, RUN_KEEP_POOLS, RUN_MANIFEST, type RunArguments } from './arguments.js'
import { tagOfBroker, takeBroker } from './broker-process.js'
import { GroupSignals } from './group-signals.js'
import { passOnMessages } from './node-channel.js'
import { recordRunner } from './record-runner.js'
import { Refusals } from './refusals.js'
import { runnerPolicy, type RunnerPolicy } from './runner-policy.js'

const help = `vitest-seccomp run [options] [Vitest's own arguments]

Runs Vitest behind the broker: its config, plugins, globalSetup, coverage and reporters can use what every run
needs, what the \`runner\` part of the manifest file grants, and nothing else. Workers get what the rest of that
file grants them.
Without a command of Vitest's it is \`vitest run\`; with --watch, -w or --ui it is \`vitest watch\`.
With Vitest's --root <dir>, the config and the manifest file are those of that directory.

  --manifest <file>     the manifest file, relative to the Vitest root (default: ${MANIFEST_FILE})
  --keep-pools          leave projects in the pools that the config names: what is no pool of this package runs tests
                        with the grants of Vitest itself
  --audit               refuse nothing to Vitest, and say what would have been refused
  --record              refuse nothing to Vitest, and write what it used into the \`runner\` part of the manifest file;
                        what looks dangerous is told and not written
  --accept-dangerous    with --record: write that, too

The config needs no line for it. The run fails where something was refused, to a test or to Vitest itself.

Exit code: Vitest's own; 1 where something was refused; 2 where the run could not be started.
`

export const run: Command = {
  summary: 'run Vitest itself behind the broker, with its plugins and reporters',
  help,
  run: runConfined,
}

async function runConfined(args: readonly string[], io: Io): Promise<number> {
  const parsed = readRunArguments(args)
  refuseOldNode()
  const missing = missingByPlugAndPlay()
  if (missing.length > 0) throw new UnsupportedError(missing)
  const root = realpathSync(rootOf(parsed, process.cwd()))
  const manifestFile = parsed.manifest ?? MANIFEST_FILE
  const path = resolve(root, manifestFile)
  const text = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  const options = withManifestFile(parseOptions({}), manifestFile, text, path)
  // Vitest keeps its cache there, even if all packages are in a directory above. A confined Vitest would need a grant
  // to create it.
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  const tmp = join(realTmp(), newTmpName(tagOfBroker()))
  const env = definedOnly(process.env)
  const runner = await runnerPolicy({
    root,
    tmp,
    options,
    manifestFile: path,
    args: parsed,
    terminal: terminal(),
    env,
    audit: parsed.audit,
  })
  const { place, modulesOfSubs } = runner
  // As where all packages lie further up.
  for (const dir of modulesOfSubs) mkdirSync(dir, { recursive: true })
  makeDirsOfCaches([...place.nodeModules, ...modulesOfSubs])
  const refusals = new Refusals({
    suggest: { ...place, tmp },
    manifestFile: relative(process.cwd(), path),
    audit: parsed.audit,
    mayListen: (port) =>
      runner.policy.sockets.some(
        ({ access, target }) =>
          access === 'listen' && target.family === 'inet' && port >= target.ports.from && port <= target.ports.to,
      ),
  })
  io.err(
    ` seccomp  Vitest itself is confined: its grants are the runner part of ${relative(process.cwd(), path)}${parsed.audit ? `. NOTHING IS REFUSED TO IT (--${parsed.record ? 'record' : 'audit'})` : ''}\n`,
  )
  const request = requestFor({ parsed, root, manifestFile, path, text, env, tmp, runner })
  const accesses: LedgerLine[] = []
  let overflow = false
  const told = (): string => plainly(refusals.text(), process.stderr.isTTY ? 'terminal' : 'elsewhere')
  let exit: Exit | undefined
  try {
    exit = await untilItEnds(request, io, {
      refusals,
      ledger(batch) {
        accesses.push(...batch.accesses)
        overflow ||= batch.overflow
      },
    })
  } catch (error) {
    // What was refused until the broker ended: who was refused may have ended it.
    io.err(told())
    throw error
  }
  if (exit === undefined) return EXIT.usage
  io.err(
    parsed.record
      ? recordRunner({
          place,
          acceptDangerous: parsed.acceptDangerous,
          tmp,
          accesses,
          overflow,
          path,
          shown: relative(process.cwd(), path),
        })
      : told(),
  )
  if (exit.signal !== null && exit.code === null) {
    // The exit code that a shell gives for a command that a signal ended.
    return 128 + constants.signals[exit.signal]
  }
  return exit.code === 0 && refusals.failRun ? EXIT.no : (exit.code ?? EXIT.no)
}

interface RunFacts {
  readonly parsed: RunArguments
  readonly root: string
  /** The manifest file as the command names it, its path, and its text; undefined if it does not exist. */
  readonly manifestFile: string
  readonly path: string
  readonly text: string | undefined
  readonly env: Readonly<Record<string, string>>
  readonly tmp: string
  readonly runner: RunnerPolicy
}

/** The message that has the broker start Vitest. */
function requestFor({ parsed, root, manifestFile, path, text, env, tmp, runner }: RunFacts): LauncherRequest {
  const ground: Ground = {
    root,
    manifestFile,
    manifestText: text,
    vitestDirs: runner.vitestDirs,
    packages: runner.packages,
    cwd: process.cwd(),
    env,
    tmp,
    lists: runner.policy.lists,
    denied: runner.policy.denied,
    linkless: runner.policy.linkless,
    sockets: runner.policy.sockets,
    protectedPlaces: runner.protectedPlaces,
    addresses: [...runner.addresses],
    audit: parsed.audit,
  }
  return {
    type: 'run',
    ground,
    hasNodeChannel: process.send !== undefined,
    launch: {
      execArgv: [],
      env: {
        ...env,
        ...tmpVariables(env, tmp),
        [COOKIE]: randomUUID(),
        [RUN_MANIFEST]: path,
        ...(parsed.keepPools ? { [RUN_KEEP_POOLS]: '1' } : {}),
      },
      cwd: process.cwd(),
      executable: parsed.audit ? 'any' : runner.executable,
      denied: 'eacces',
      tmp,
      shared: randomUUID(),
      ledger: parsed.record,
      stageTimeout: STAGE_MS,
    },
    attachment: {
      policy: runner.policy,
      setup: {
        runtime: pathToFileURL(builtFile('runtime-vitest.js')).href,
        runner: pathToFileURL(join(dist, 'cli/run/vitest.js')).href,
        argv: parsed.vitest,
        group: processGroup(),
        preload: [],
        traced: parsed.audit ? [] : ['EACCES', 'EPERM'],
        selfCheck: { paths: canariesFor(runner.policy), parent: process.pid },
        landlock: landlockRules(runner.place, parsed.audit ? 'any' : runner.executable),
      },
    },
  }
}

function makeDirsOfCaches(nodeModules: readonly string[]): void {
  const present = nodeModules.filter((dir) => existsSync(dir))
  for (const dir of present.flatMap((modules) => DIRS_OF_CACHES.map((name) => join(modules, name)))) {
    try {
      mkdirSync(dir, { recursive: true })
    } catch (error) {
      // Vitest cannot write there either: packages that are installed for the whole machine.
      if (!['EACCES', 'EROFS', 'EPERM'].includes(codeOf(error) ?? '')) throw error
    }
  }
}

/** Runs Vitest until it ends; undefined if it never ran. Throws an UnsupportedError or a BrokerGoneError. */
async function untilItEnds(
  request: LauncherRequest,
  io: Io,
  { refusals, ledger }: { readonly refusals: Refusals; readonly ledger: (batch: Batch) => void },
): Promise<Exit | undefined> {
  const { control, nodeChannel, gone, release } = takeBroker()
  const say = (message: LauncherRequest): void => void (control.writable && control.write(frame(message)))
  const told = new Set<string>()
  const messages =
    nodeChannel &&
    passOnMessages(nodeChannel, (by) => {
      const way = by === 'parent' ? 'to Vitest, which gets' : 'of Vitest, which sends'
      if (!told.has(by))
        io.err(` seccomp  A message ${way} messages of JSON alone, came with a descriptor: neither is passed on\n`)
      told.add(by)
    })
  const restoreTerminal = terminalSettings()
  const forward = forwardSignals((signal) => say({ type: 'signal', signal }))
  try {
    return await new Promise<Exit | undefined>((finish, fail) => {
      void gone.then(fail)
      const reader = new FrameReader(MOST_BYTES)
      control.on('data', (chunk: Buffer) => {
        // The broker sends only messages of its own type.
        for (const message of reader.push(chunk)) hear(message as LauncherNotice)
      })
      const hear = (notice: LauncherNotice): void => {
        switch (notice.type) {
          case 'ready':
            if (notice.missing.length > 0) return fail(new UnsupportedError(notice.missing))
            return say(request)
          case 'failed':
            io.err(` seccomp  Vitest did not start (${notice.stage}): ${notice.detail}\n`)
            return finish(undefined)
          case 'incident':
            return refusals.add(notice.of, notice.incident)
          case 'fault':
            return refusals.fault(notice.detail)
          case 'exited':
            return finish(notice.exit)
          case 'ledger':
            return ledger(notice.batch)
          case 'up':
            return
          default:
            notice satisfies never
        }
      }
    })
  } finally {
    forward.stop()
    messages?.stop()
    restoreTerminal()
    control.destroy()
    release()
  }
}

/**
 * Passes on signals that were sent to this process. Vitest is in the same process group, so it has SIGINT and SIGQUIT
 * already if the group got them, from a keyboard or by `kill`. A second SIGINT would end Vitest at once.
 */
function forwardSignals(send: (signal: NodeJS.Signals) => void): { stop(): void } {
  const group = new GroupSignals()
  const offs = [
    ...(['SIGINT', 'SIGQUIT'] as const).map((signal) =>
      on(signal, () => void group.has(signal).then((isForAll) => (isForAll ?? process.stdin.isTTY) || send(signal))),
    ),
    ...(['SIGTERM', 'SIGHUP', 'SIGUSR2'] as const).map((signal) => on(signal, () => send(signal))),
  ]
  return {
    stop() {
      for (const off of offs) off()
      group.stop()
    },
  }
}

function on(signal: NodeJS.Signals, listener: () => void): () => void {
  process.on(signal, listener)
  return () => process.off(signal, listener)
}

/**
 * Returns a function that restores the terminal: a Vitest that is killed leaves it in raw mode. It uses stty(1), if
 * that exists.
 */
function terminalSettings(): () => void {
  if (!process.stdin.isTTY) return () => {}
  const env = { PATH: pathToSystem() }
  const { status, stdout } = spawnSync('stty', ['-g'], { stdio: ['inherit', 'pipe', 'ignore'], env, encoding: 'utf8' })
  return () => {
    if (status === 0) spawnSync('stty', [stdout.trim()], { stdio: ['inherit', 'ignore', 'ignore'], env })
  }
}

/** The device behind stdin, stdout or stderr: ttyname(3). */
function terminal(): string | undefined {
  for (const [fd, stream] of [process.stdin, process.stdout, process.stderr].entries())
    if (stream.isTTY) return readlinkSync(`/proc/self/fd/${fd}`)
  return undefined
}

/** The process group, as of getpgrp(2): proc(5), the fifth field of `stat`. */
function processGroup(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])
}
