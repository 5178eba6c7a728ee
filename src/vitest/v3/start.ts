/** Starts the process of a worker: confined, or unconfined where the options allow it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { distDir, type TestProject } from 'vitest/node'
import { builtFile } from '../../broker/built.js'
import type { Lane } from '../../broker/worker.js'
import { frame, FrameReader } from '../../framing.js'
import { TERMINATE_PLAIN_MS } from '../../limits.js'
import { launchFor } from '../launch.js'
import type { ProjectPolicy } from '../project-policy.js'
import type { TestWorkerEvents } from '../test-worker.js'
import type { TestProcess } from './worker.js'

interface LaneLaunch {
  readonly execArgv: readonly string[]
  readonly env: Partial<NodeJS.ProcessEnv>
  /** The limit on concurrent processes. */
  readonly lane: Lane
}

const runner = pathToFileURL(join(distDir, 'workers.js')).href

export async function startProcess(
  project: TestProject,
  policy: ProjectPolicy | undefined,
  launch: LaneLaunch,
  events: TestWorkerEvents,
): Promise<TestProcess> {
  if (policy === undefined) return startPlain(project, launch, events)
  // Modules that need Linux are loaded only where tests can be confined.
  const { TestWorker } = await import('../test-worker.js')
  const worker = new TestWorker(policy, events)
  await worker.start({
    ...launchFor({ ...launch, distPath: distDir }),
    lane: launch.lane,
  })
  return worker
}

async function startPlain(
  { vitest }: TestProject,
  { execArgv, env }: LaneLaunch,
  events: TestWorkerEvents,
): Promise<TestProcess> {
  const child = spawn(process.execPath, [...execArgv, builtFile('plain-3.js'), runner], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  child.stdout?.pipe(vitest.logger.outputStream, { end: false })
  child.stderr?.pipe(vitest.logger.errorStream, { end: false })
  // The fourth entry of stdio is a pipe; child_process types it as any kind of stream.
  const channel = child.stdio[3] as Duplex
  const exited = once(child, 'exit')
  let isStopping = false
  const reader = new FrameReader(Infinity)
  channel.on('data', (chunk: Buffer) => {
    for (const message of reader.push(chunk)) events.message(message)
  })
  channel.on('error', () => channel.destroy())
  exited.then(
    ([code, signal]) => {
      if (!isStopping) events.died({ exit: { code, signal }, open: [] })
    },
    (error: unknown) => events.failed(error),
  )
  return {
    send: (message) => void channel.write(frame(message)),
    async stop() {
      isStopping = true
      if (child.exitCode !== null || child.signalCode !== null) return
      const patience = setTimeout(() => child.kill('SIGKILL'), TERMINATE_PLAIN_MS)
      child.kill()
      await exited
      clearTimeout(patience)
    },
  }
}
