/**
 * The worker's first lines. CommonJS, and short: everything up to the filter runs before anything of the user's, and
 * before anything that would start libuv's thread pool, so that every thread that could run a user's call is born inside
 * the Landlock domain.
 *
 * Descriptors: 1 and 2 go to the parent's output, 3 is the channel to the broker, 4 carries the runner's messages.
 */
import { readSync, writeSync } from 'node:fs'
import { constants } from 'node:os'
import { codeOf } from '../errors.js'
import { decodeFrame, frameText, Opcode, textFrame, type Setup } from '../protocol.js'
import { PR_SET_PDEATHSIG } from '../abi/prctl.js'
import {
  adoptOrphans, enterLandlock, installFilter, noCoreDumps, noNewPrivileges, ownProcessGroup, setProcessFlag,
} from '../sys/confine.js'

const CHANNEL = 3
const TRANSPORT = 4

function say(packet: Uint8Array): void {
  writeSync(CHANNEL, packet)
}

function hear(opcode: number): string {
  const buffer = Buffer.allocUnsafe(65_536)
  const frame = decodeFrame(buffer.subarray(0, readSync(CHANNEL, buffer)))
  if (typeof frame === 'string' || frame.opcode !== opcode) throw new Error('the broker did not answer')
  return frameText(frame)
}

/** What `main` of the runtime module is given. */
export interface RuntimeParts {
  readonly transport: number
  readonly runner: unknown
  /** Says which test runs, for messages: file, task id, full name, and whether others may run beside it. */
  readonly mark: (file: string, id: string, test: string, concurrent: boolean) => void
}

async function main(): Promise<void> {
  // The parent wrote it; it is the parent's own type.
  const setup = JSON.parse(hear(Opcode.setup)) as Setup
  say(textFrame(Opcode.stage, 'landlock'))
  noNewPrivileges()
  adoptOrphans()
  ownProcessGroup()
  noCoreDumps()
  // prctl(2): whatever ends the parent, SIGKILL included, ends its workers, even one in an endless loop.
  setProcessFlag(PR_SET_PDEATHSIG, constants.signals.SIGKILL)
  const landlock = enterLandlock(setup.landlock)
  say(textFrame(Opcode.stage, 'loading the runner'))
  // Both are files that the parent runs as well. Loading them here saves nine in ten brokered calls.
  const runner: unknown = await import(setup.runner)
  const runtime = await import(setup.runtime) as { main: (parts: RuntimeParts) => void }
  say(textFrame(Opcode.stage, 'filter'))
  const { listener, waitKillable } = installFilter(Buffer.from(setup.filter, 'base64'))
  say(textFrame(Opcode.hello, `${listener.number} ${landlock} ${waitKillable ? 1 : 0}`))
  hear(Opcode.welcome)
  // Whoever holds the listener answers for the whole process: from here on nobody in this process does.
  listener.close()
  for (const { kind, specifier } of setup.preload) {
    if (kind === 'require') require(specifier)
    else await import(specifier)
  }
  const mark: RuntimeParts['mark'] = (file, id, test, concurrent) => {
    try {
      say(textFrame(Opcode.mark, [file, id, concurrent ? '1' : '', test.slice(0, 1000)].join('\0')))
    } catch (error) {
      // The broker closed the channel, after a breach of the protocol or at the end. Marks only serve messages.
      if (codeOf(error) !== 'EPIPE') throw error
    }
  }
  runtime.main({ transport: TRANSPORT, runner, mark })
}

main().catch((error: unknown) => {
  writeSync(2, `${error instanceof Error ? error.stack ?? error.message : String(error)}\n`)
  process.exit(70)
})
