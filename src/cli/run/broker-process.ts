/**
 * The broker process of `vitest-seccomp run`, from its start on. It is started before anything else, because it takes
 * as long to come up as reading the manifest file takes.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { builtFile } from '../../broker/built.js'
import { brokerEnvironment, realTmp } from '../../broker/environment.js'
import { endOfOutput } from '../../broker/outputs.js'
import { killTagged, newTag } from '../../broker/process-tag.js'
import { BrokerGoneError } from '../../errors.js'

interface BrokerProcess {
  readonly tag: number
  readonly process: ChildProcess
  readonly control: Socket
  /** The connection to Vitest's `process.send`, if this process itself has one. */
  readonly nodeChannel: Socket | undefined
  /** Resolves when the process has ended, or could not be started. */
  readonly gone: Promise<BrokerGoneError>
  /** Lets this process end without waiting for the broker process, which then ends with it. */
  release(): void
}

let prepared: BrokerProcess | undefined

/** Starts the broker process before anything waits for it. */
export function prepareBroker(): void {
  tagOfBroker()
}

/** The tag of the process that `takeBroker` will give. */
export function tagOfBroker(): number {
  prepared ??= startBroker()
  prepared.release()
  return prepared.tag
}

/** Takes the prepared process, or starts a new one. Call it once. */
export function takeBroker(): BrokerProcess {
  const taken = prepared ?? startBroker()
  prepared = undefined
  taken.process.ref()
  taken.control.ref()
  return taken
}

function startBroker(): BrokerProcess {
  const hasNodeChannel = process.send !== undefined
  const tag = newTag()
  const broker = spawn(process.execPath, [builtFile('run-process.js'), String(process.pid), String(tag), realTmp()], {
    env: brokerEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe', 'ignore', 'pipe', 0, 1, 2, ...(hasNodeChannel ? (['pipe'] as const) : [])],
  })
  // The type follows from `stdio`: a stream.
  const control = broker.stdio[4] as Socket
  control.on('error', () => control.destroy())
  const output = endOfOutput(broker.stderr)
  return {
    tag,
    process: broker,
    control,
    // A stream as well.
    nodeChannel: hasNodeChannel ? (broker.stdio.at(8) as Socket | undefined) : undefined,
    gone: new Promise((resolve) => {
      broker.once('error', (error) => resolve(new BrokerGoneError(error.message, output())))
      // After its output.
      broker.once('close', (code, signal) => {
        killTagged(tag)
        resolve(new BrokerGoneError(signal ?? `exit code ${code}`, output()))
      })
    }),
    release() {
      broker.unref()
      control.unref()
      // The type follows from `stdio`: a pipe.
      ;(broker.stderr as Socket | null)?.unref()
    },
  }
}
