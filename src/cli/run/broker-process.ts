/**
 * The broker process of `vitest-seccomp run`, from its start on. It takes as long to come up as it takes to read the manifest file, so it
 * is started before anything else.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { builtFile } from '../../broker/built.js'
import { brokerEnvironment, realTmp } from '../../broker/environment.js'
import { BrokerGoneError } from '../../errors.js'

/** Characters of its last output that are shown. */
const SHOWN = 2000

interface BrokerProcess {
  readonly process: ChildProcess
  readonly control: Socket
  /** The way to Vitest's `process.send`, if this process has one itself. */
  readonly nodeChannel: Socket | undefined
  /** Resolves when it has ended, or could not be started. */
  readonly gone: Promise<BrokerGoneError>
  /** It does not keep this process alive, and ends with it. */
  release(): void
}

let prepared: BrokerProcess | undefined

/** Nobody waits for it yet. */
export function prepareBroker(): void {
  prepared ??= startBroker()
  prepared.release()
}

/** Once: the one that was prepared, or a new one. */
export function takeBroker(): BrokerProcess {
  const taken = prepared ?? startBroker()
  prepared = undefined
  taken.process.ref()
  taken.control.ref()
  return taken
}

function startBroker(): BrokerProcess {
  const hasNodeChannel = process.send !== undefined
  const broker = spawn(process.execPath, [builtFile('run-process.js'), String(process.pid), realTmp()], {
    env: brokerEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe', 'ignore', 'pipe', 0, 1, 2, ...(hasNodeChannel ? (['pipe'] as const) : [])],
  })
  // A stream, by `stdio`.
  const control = broker.stdio[4] as Socket
  control.on('error', () => control.destroy())
  let output = ''
  broker.stderr?.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-SHOWN)))
  return {
    process: broker,
    control,
    // A stream as well.
    nodeChannel: hasNodeChannel ? (broker.stdio.at(8) as Socket | undefined) : undefined,
    gone: new Promise((resolve) => {
      broker.once('error', (error) => resolve(new BrokerGoneError(error.message, output)))
      // After what it printed.
      broker.once('close', (code, signal) => resolve(new BrokerGoneError(signal ?? `exit code ${code}`, output)))
    }),
    release() {
      broker.unref()
      control.unref()
      // A pipe, by `stdio`.
      ;(broker.stderr as Socket | null)?.unref()
    },
  }
}
