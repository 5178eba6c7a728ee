/**
 * The broker process of `vitest-seccomp run`: it starts Vitest itself, confined, and serves it as a client that gets
 * what the manifest file grants. It reports every refusal to the launcher, past Vitest.
 *
 * Descriptors: 2 goes to the launcher, 4 is its control socket. For Vitest there are 5 to 7, the launcher's standard
 * streams, and 8, the way to the launcher's own `process.send`, if it has one.
 */
import { Socket } from 'node:net'
import { frame, FrameReader } from '../framing.js'
import { BROKER_END_MS } from '../limits.js'
import { startTreesOf, WITHOUT_MODULES } from '../project/module-trees.js'
import { ownProcessGroup } from '../sys/confine.js'
import { OwnedFd } from '../sys/owned-fd.js'
import { abilityOf, boot, endWith, tidyUp } from './boot.js'
import { Ceiling } from './ceiling.js'
import { MOST_BYTES, socketName } from './control-socket.js'
import { Host, type Launched } from './host.js'
import { StartFailure } from './outputs.js'
import type { LauncherNotice, LauncherRequest } from './run-control.js'
import { ServedClient } from './serving.js'
import { prepareSpawner } from './spawner.js'

const CONTROL = 4
const STREAMS = [5, 6, 7] as const
const NODE_CHANNEL = 8

const [launcherPid, tag, ...directories] = process.argv.slice(2)
const launcher = boot(Number(launcherPid), Number(tag))
// A group of its own: Ctrl-C is for Vitest, in the launcher's group. The session stays the same, or Vitest could not
// join that group.
ownProcessGroup()
const host = new Host({ runner: launcher, onRunnerEnded: end })
host.prepare()
const control = new Socket({ fd: CONTROL, readable: true, writable: true })
const reader = new FrameReader(MOST_BYTES)
let runner: Launched['worker'] | undefined
let isStarted = false

control.on('data', (chunk: Buffer) => {
  // The cast: the launcher is trusted to send its own type.
  for (const message of reader.push(chunk)) obey(message as LauncherRequest)
})
for (const event of ['close', 'error']) control.on(event, end)

function obey(request: LauncherRequest): void {
  switch (request.type) {
    case 'run':
      if (!isStarted) void run(request)
      isStarted = true
      return
    case 'signal':
      if (runner !== undefined) runner.signal(request.signal)
      return
    default:
      request satisfies never
  }
}

async function run({
  launch,
  attachment,
  ground,
  hasNodeChannel,
}: Extract<LauncherRequest, { type: 'run' }>): Promise<void> {
  try {
    const launched = await host.launch(
      { ...launch, streams: STREAMS, ...(hasNodeChannel ? { nodeChannel: NODE_CHANNEL } : {}) },
      {
        onIncident: (incident) => say({ type: 'incident', of: 'runner', incident }),
        onFault: tellFault,
        ...(launch.ledger === true ? { onLedger: (batch) => say({ type: 'ledger', batch }) } : {}),
      },
      ground.env[WITHOUT_MODULES] === undefined ? () => startTreesOf(ground) : undefined,
    )
    if (hasNodeChannel) new OwnedFd(NODE_CHANNEL).close()
    const { worker, ends, attach } = launched
    runner = worker
    void worker.exited.then(() => ended(worker))
    if (ends.transport === undefined) throw new TypeError('a process without a transport')
    await attach(attachment)
    // Vitest is still loading its own modules and asks for nothing yet. Its workers need another spawner, because they
    // may execute other programs than Vitest.
    prepareSpawner()
    const client = new ServedClient({
      host,
      control: new Socket({ fd: ends.transport.release(), readable: true, writable: true }),
      handing: {
        give(id, role, end) {
          worker.handOver(socketName(id, role), end)
          client.say({ type: 'handed', id, role })
          return Promise.resolve()
        },
      },
      admission: new Ceiling(ground),
      onIncident: (incident) => say({ type: 'incident', of: 'worker', incident }),
      onRefused: tellFault,
      onGone(detail) {
        // Vitest closes the control socket when it ends. If it breaks the protocol, it is stopped.
        if (detail === undefined) return
        tellFault(detail)
        void worker.stop()
      },
    })
    client.say({ type: 'ready', ...abilityOf(host) })
    say({ type: 'up', pid: worker.pid })
  } catch (error) {
    const [stage, detail] =
      error instanceof StartFailure
        ? [error.stage, error.detail]
        : ['broker', error instanceof Error ? error.message : String(error)]
    say({ type: 'failed', stage, detail })
    await runner?.stop()
  }
}

/** Reports the end once nothing is left: Vitest, what it started, and each of its workers. */
async function ended(worker: Launched['worker']): Promise<void> {
  const exit = await worker.stop()
  await host.close()
  say({ type: 'exited', exit })
}

/** Characters of a fault that are told: Vitest's own words are in it, and may be more than one message holds. */
const MOST_TOLD = 2000

function tellFault(detail: string): void {
  say({ type: 'fault', detail: detail.slice(0, MOST_TOLD) })
}

function say(notice: LauncherNotice): void {
  if (control.writable) control.write(frame(notice))
}

function end(): void {
  void endWith(() => host.close(), BROKER_END_MS)
}

say({ type: 'ready', ...abilityOf(host) })
tidyUp(directories)
