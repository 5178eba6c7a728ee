/**
 * The worker's first lines. They are CommonJS, and short: everything up to the filter runs before any code of the
 * user's. It also runs before libuv's thread pool starts, so that every thread that could run a user's call is born
 * inside the Landlock domain.
 *
 * Descriptors: 1 and 2 go to the parent's output, 3 is the channel to the broker, 4 carries the runner's messages, 5 is
 * the module table, if there is one.
 */
// Must come first, before koffi.
import './fs-binding.js'
import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import { Errno } from '../abi/errno.js'
import { PR_SET_PDEATHSIG } from '../abi/prctl.js'
import { SystemCallError } from '../errors.js'
import { BROKER_SILENCE_MS } from '../limits.js'
import { ModuleTable } from '../modules/table.js'
import {
  busyFrame,
  CHECKED,
  decodeFrame,
  frameText,
  helloFrame,
  INSTALLING,
  MARK,
  markFrame,
  Opcode,
  textFrame,
  traceFrame,
  writeMark,
  type Mark,
  type Setup,
  type Trace,
} from '../protocol.js'
import {
  adoptOrphans,
  enterLandlock,
  installFilter,
  installSealed,
  joinProcessGroup,
  noCoreDumps,
  noNewPrivileges,
  ownSession,
  setProcessFlag,
  type InstalledFilter,
} from '../sys/confine.js'
import { escapes } from '../sys/escapes.js'
import { OwnedFd } from '../sys/owned-fd.js'
import { PacketSocket } from '../sys/packet-socket.js'
import { mapSealed, SealedMemory } from '../sys/sealed-memory.js'
import { CHANNEL } from '../syscalls/baseline.js'
import { failed } from '../syscalls/outcome.js'
import { offerResources } from './channel-client.js'
import { answerFrom } from './modules.js'

const TRANSPORT = 4
const MODULES = 5

const channel = new PacketSocket(new OwnedFd(CHANNEL))

function say(packet: Uint8Array): void {
  const sent = channel.sendWaiting(packet)
  if (failed(sent)) throw new SystemCallError('sendto', sent.errno, 'the channel to the broker')
}

function hear(opcode: number): string {
  const delivery = channel.waitForDelivery(BROKER_SILENCE_MS)
  const frame = delivery === 'closed' || failed(delivery) ? 'short' : decodeFrame(delivery.packet)
  if (typeof frame === 'string' || frame.opcode !== opcode) throw new Error('the broker did not answer')
  return frameText(frame)
}

/** The arguments of the runtime module's `main`. */
export interface RuntimeParts {
  readonly transport: number
  readonly runner: unknown
  /** Says which test runs, for messages: file, task id, full name, and `concurrent` if others may run beside it. */
  readonly mark: (mark: Mark) => void
  /** Reports the stack of a call that failed with one of the codes in `traced`. */
  readonly trace: (trace: Trace) => void
  readonly traced: readonly string[]
  /** The arguments, if the worker runs a command. */
  readonly argv: readonly string[]
  /** Reports the sockets that keep the event loop alive; absent if the launch does not ask for them. */
  readonly busy?: (descriptors: readonly number[]) => void
}

/** The module that the worker runs. The module itself, and everything that its `load` loads, come before the filter. */
interface Runtime {
  readonly load?: (runner: string) => Promise<unknown>
  readonly main: (parts: RuntimeParts) => void
}

function useModules(size: number, own: string): void {
  using fd = new OwnedFd(MODULES)
  const table = ModuleTable.in(mapSealed(fd, size))
  if (table !== undefined) answerFrom(table, own)
}

function confine({ filter, seal }: Setup): InstalledFilter {
  const encoded = Buffer.from(filter, 'base64')
  if (seal === undefined) return installFilter(encoded)
  const packet = textFrame(Opcode.stage, INSTALLING)
  return installSealed(encoded, Buffer.from(seal, 'base64'), (listener) => {
    const sent = channel.sendListener(packet, listener)
    if (failed(sent)) throw new SystemCallError('sendmsg', sent.errno, 'the listener')
  })
}

async function main(): Promise<void> {
  // The cast: the parent wrote it, and it is the parent's own type.
  const setup = JSON.parse(hear(Opcode.setup)) as Setup
  say(textFrame(Opcode.stage, 'landlock'))
  noNewPrivileges()
  adoptOrphans()
  if (setup.group === undefined) ownSession()
  else joinProcessGroup(setup.group)
  noCoreDumps()
  // prctl(2): the end of the parent, even by SIGKILL, ends its workers, even one in an endless loop.
  setProcessFlag(PR_SET_PDEATHSIG, constants.signals.SIGKILL)
  const landlock = enterLandlock(setup.landlock, setup.opensNetwork === true ? 'open' : 'closed')
  say(textFrame(Opcode.stage, 'loading the runner'))
  // The parent runs both files as well. Loading them before the filter saves nine in ten brokered calls.
  const runtime = (await import(setup.runtime)) as Runtime
  const runner: unknown = await (runtime.load?.(setup.runner) ?? import(setup.runner))
  for (const module of setup.early ?? []) await import(module)
  if (setup.modules !== undefined) useModules(setup.modules, new URL('.', setup.runtime).href)
  const marks = new SealedMemory('which-test-runs', MARK.size)
  const block = { bytes: Buffer.from(marks.bytes), words: new Uint32Array(marks.bytes) }
  say(markFrame(marks.fd.number))
  say(textFrame(Opcode.stage, INSTALLING))
  const { listener, waitKillable } = confine(setup)
  say(helloFrame({ listener: listener.number, landlock, waitKillable }))
  hear(Opcode.welcome)
  // The listener answers the calls of the whole process: close it here, so that only the broker holds it.
  listener.close()
  // The broker took the memory before it said welcome.
  marks.fd.close()
  if (setup.selfCheck !== undefined) say(textFrame(Opcode.stage, escapes(setup.selfCheck).join(', ') || CHECKED))
  // By some names, libc opens a file as soon as one is set: TZ.
  Object.assign(process.env, setup.env)
  if (setup.cwd !== undefined) process.chdir(setup.cwd)
  offerResources(channel)
  for (const { kind, specifier } of setup.preload) {
    if (kind === 'require') require(specifier)
    else await import(specifier)
  }
  const note = (packet: Uint8Array): void => {
    const sent = channel.sendWaiting(packet)
    // EPIPE: the broker closed the channel, after a breach of the protocol or at the end. Notes only serve messages, so
    // they may be lost.
    if (failed(sent) && sent.errno !== Errno.EPIPE)
      throw new SystemCallError('sendto', sent.errno, 'the channel to the broker')
  }
  runtime.main({
    transport: TRANSPORT,
    runner,
    traced: setup.traced ?? [],
    argv: setup.argv ?? [],
    mark: (mark) => writeMark(block, mark),
    trace: (trace) => note(traceFrame(trace)),
    ...(setup.tellsBusy === true ? { busy: (descriptors: readonly number[]) => note(busyFrame(descriptors)) } : {}),
  })
}

main().catch((error: unknown) => {
  writeSync(2, `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exit(70)
})
