/**
 * The connection from Vitest's process to its broker process. Vitest starts the broker; a confined Vitest
 * (`vitest-seccomp run`) was started by it instead.
 */
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { frame, FrameReader } from '../framing.js'
import { CONFINED_BY, OFFER, type ConfinedBy, type Offer } from '../protocol/offer.js'
import { builtFile } from './built.js'
import { MOST_BYTES, socketName } from './control-socket.js'
import type { ControlRequest, Handover, Notice, Role } from './control.js'
import { brokerEnvironment, realTmp } from './environment.js'
import { endOfOutput } from './outputs.js'
import { killTagged, newTag } from './process-tag.js'

export interface LinkEvents {
  /** Takes each notice of the broker, except those that bring sockets. */
  readonly hear: (notice: Exclude<Notice, { type: 'handed' }>) => void
  readonly receive: (id: number, role: Role, socket: Socket) => void
  /** The broker process has ended. `output`: the last that it printed. */
  readonly gone: (how: string, output: string) => void
}

export interface BrokerLink {
  /** The tag of the broker process, if this process started it: process-tag.ts. */
  readonly tag: number | undefined
  say(request: ControlRequest): void
  /** Sets if the connection keeps this process alive. */
  hold(isHeld: boolean): void
}

export function linkToBroker(events: LinkEvents): BrokerLink {
  // Only the entry of a confined process sets it: child/runtime-vitest.ts.
  const confinedBy = Reflect.get(process, CONFINED_BY) as ConfinedBy | undefined
  return confinedBy === undefined ? startBroker(events) : joinBroker(events, confinedBy)
}

function startBroker({ hear, receive, gone }: LinkEvents): BrokerLink {
  const tag = newTag()
  const broker = spawn(process.execPath, [builtFile('process.js'), String(process.pid), String(tag), realTmp()], {
    env: brokerEnvironment(),
    // A session of its own: Ctrl-C on a terminal is for Vitest, which ends its workers in good order.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc', 'pipe'],
  })
  // The cast: `stdio` makes it a stream.
  const control = broker.stdio[4] as Socket
  const output = endOfOutput(broker.stderr)
  listen(control, (notice) => {
    if (notice.type !== 'handed') hear(notice)
  })
  broker.on('message', ({ id, role }: Handover, socket) => {
    if (socket instanceof Socket) receive(id, role, socket)
  })
  broker.once('error', (error) => gone(error.message, output()))
  // 'close' comes after the last output.
  broker.once('close', (code, signal) => {
    killTagged(tag)
    gone(signal ?? `exit code ${code}`, output())
  })
  return {
    tag,
    say: (request) => write(control, request),
    hold(isHeld) {
      const ref = isHeld ? 'ref' : 'unref'
      broker[ref]()
      broker.channel?.unref()
      control[ref]()
      // The cast: `stdio` makes it a pipe.
      ;(broker.stderr as Socket | null)?.unref()
    },
  }
}

/**
 * Joins the broker that started this process. Sockets come over the channel of the process's own start, each by its
 * name.
 */
function joinBroker({ hear, receive, gone }: LinkEvents, { control: fd }: ConfinedBy): BrokerLink {
  const control = new Socket({ fd, readable: true, writable: true })
  // The entry sets both.
  const { acquire } = Reflect.get(process, OFFER) as Offer
  listen(control, (notice) => {
    if (notice.type !== 'handed') return hear(notice)
    const socket = acquire(socketName(notice.id, notice.role))
    if ('failure' in socket) return gone(socket.text, '')
    receive(notice.id, notice.role, new Socket({ fd: socket.fd, readable: true, writable: true }))
  })
  control.once('close', () => gone('the connection to it ended', ''))
  return {
    tag: undefined,
    say: (request) => write(control, request),
    hold: (isHeld) => void control[isHeld ? 'ref' : 'unref'](),
  }
}

function listen(control: Socket, hear: (notice: Notice) => void): void {
  const reader = new FrameReader(MOST_BYTES)
  control.on('data', (chunk: Buffer) => {
    // The cast: the broker is trusted to send its own type.
    for (const notice of reader.push(chunk)) hear(notice as Notice)
  })
  control.on('error', () => control.destroy())
}

function write(control: Socket, request: ControlRequest): void {
  if (control.writable) control.write(frame(request))
}
