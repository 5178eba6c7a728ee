/**
 * The bodies of frames: typed, encoded and decoded here for both sides. Pure.
 *
 * A body that cannot be read is `undefined`, never an exception; what that means is for the receiver to decide.
 */
import { MAX_RESOURCE_NAME, RESOURCE_NAME, type ResourceKind } from '../policy/resource-names.js'
import { encodeFrame, isOneOf, MAX_BODY, Opcode, type Frame } from './frames.js'

/** The instructions for the worker's entry, before it confines itself. */
export interface Setup {
  /** The filter, struct sock_filter after struct sock_filter, base64. */
  readonly filter: string
  /** Where the broker cannot take the listener: the filter that comes after it has been sent, likewise. */
  readonly seal?: string
  /** Set where sockets are left alone. */
  readonly opensNetwork?: true
  /** Paths that stay readable in the Landlock domain, for loading the runner, and programs that may be executed. */
  readonly landlock: readonly { readonly path: string; readonly right: 'read' | 'execute' }[]
  /** The runner module, loaded before the filter; the worker's own runtime, as file: URL. */
  readonly runtime: string
  /** Vitest's `vitest/worker` module, as file: URL. */
  readonly runner: string
  /** More of Vitest's own modules, as file: URLs: what the runner loads later, once for each process, and in any case. */
  readonly early?: readonly string[]
  /** Modules that the user's execArgv or NODE_OPTIONS preload: loaded after the filter. */
  readonly preload: readonly { readonly kind: 'require' | 'import'; readonly specifier: string }[]
  /** The checks that the worker makes of itself before it goes on. It says stage `checked` then, or what led out. */
  readonly selfCheck?: { readonly paths: readonly string[]; readonly parent: number }
  /** Error codes that may mean a refusal: the worker tells where a call stood that failed with one. */
  readonly traced?: readonly string[]
  /** The size of the module table in descriptor 5, if the worker was born with one. */
  readonly modules?: number
  /** The arguments in process.argv after the program itself, where it runs a command: Vitest's own. */
  readonly argv?: readonly string[]
  /** The process group that it joins, of the same session: that of the command which was typed. Without one, a group of its own. */
  readonly group?: number
  /** Set where the worker tells, at the end of test files, which sockets hold its event loop. */
  readonly tellsBusy?: boolean
}

/** The stage that a worker says once nothing that it tried led out. */
export const CHECKED = 'checked'

/** The place of a call that failed, by the word of the worker. */
export interface Trace {
  /**
   * A call of the thread that runs the tests, one that started a program, one that a thread of libuv's pool made later, a host that
   * is about to be looked up, or an address that is about to be spoken to because a host's name led there.
   */
  readonly kind: 'call' | 'program' | 'later' | 'lookup' | 'named'
  /** The test, if it runs beside others and the call knows which it is; else empty. */
  readonly id: string
  readonly test: string
  /** As V8 writes it; of a look-up `host:port`; of an address `host address`. */
  readonly stack: string
  /** Of what came later: the path that it was about, absolute, as it was spelled. */
  readonly path?: string
}

interface Hello {
  /** The number of the listener's descriptor in the worker. */
  readonly listener: number
  /** The Landlock ABI that the worker entered, 0 for none. */
  readonly landlock: number
  readonly waitKillable: boolean
}

/** The facts that come with the descriptor. */
export interface Acquired {
  readonly name: string
  readonly kind: ResourceKind
  /** Of a file or directory: absolute, canonical. */
  readonly path?: string
  /** Of a socket: the peer's address, or the own one of what listens, as a manifest writes it: `tcp:127.0.0.1:40123`. */
  readonly address?: string
  /** A datagram socket that is bound takes from everyone; one that is connected speaks with one peer only. */
  readonly bound?: boolean
}

/** One line of what a worker may use. */
export interface GrantedItem {
  /** `read`, `write`, `exec`, `connect`, `listen` or `resources`. */
  readonly list: string
  /** As the manifest has it; of a resource its name. */
  readonly entry: string
  /** Of a resource. */
  readonly kind?: ResourceKind
}

export interface Reported {
  readonly mode: 'enforce' | 'audit'
  /** The number of all items; the answer holds those from `from` on that fit. */
  readonly total: number
  readonly items: readonly GrantedItem[]
}

/** The reasons why a request was not answered as asked. */
export const ErrorCode = {
  /** The body is not what this opcode wants. */
  malformed: 1,
  /** No resource of this name is granted to this test file. */
  ungranted: 2,
  /** It is granted, and could not be opened: the errno says why. */
  unavailable: 3,
  /** Too many requests of this worker wait already. */
  busy: 4,
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

const isErrorCode = isOneOf(ErrorCode)

export interface Refused {
  readonly code: ErrorCode
  /** Of `unavailable`; 0 for the others. */
  readonly errno: number
  /** For people: one or more lines. */
  readonly text: string
}

/** Room for a text inside a body that holds other things, too. */
const MAX_TEXT = 4000

/** The stage in which the worker installs its filter: from here on it may be caught in a call before it can say hello. */
export const INSTALLING = 'filter'

// --- what the worker says

export function textFrame(opcode: Opcode, text: string, id = 0): Uint8Array {
  return encodeFrame({ opcode, id, body: Buffer.from(text, 'utf8') })
}

export function frameText(frame: Frame): string {
  return Buffer.from(frame.body).toString('utf8')
}

export function helloFrame({ listener, landlock, waitKillable }: Hello): Uint8Array {
  return textFrame(Opcode.hello, `${listener} ${landlock} ${waitKillable ? 1 : 0}`)
}

export function readHello(frame: Frame): Hello | undefined {
  const [, listener, landlock, waitKillable] = /^(\d{1,9}) (\d{1,9}) ([01])$/.exec(frameText(frame)) ?? []
  if (listener === undefined) return undefined
  return { listener: Number(listener), landlock: Number(landlock), waitKillable: waitKillable === '1' }
}

/** `descriptor`: the worker's own of the memory that says which test runs (marks.ts). */
export function markFrame(descriptor: number): Uint8Array {
  const body = Buffer.alloc(4)
  body.writeUInt32LE(descriptor)
  return encodeFrame({ opcode: Opcode.mark, id: 0, body })
}

/** Undefined for what cannot be a descriptor. */
export function readMark({ body }: Frame): number | undefined {
  const number = body.length === 4 ? Buffer.from(body).readUInt32LE() : Infinity
  return number <= 0x7fff_ffff ? number : undefined
}

const LONGEST_STACK = 20_000

export function traceFrame({ kind, id, test, stack, path = '' }: Trace): Uint8Array {
  const fields = [kind, id, test.slice(0, 1000), stack.slice(0, LONGEST_STACK), path.slice(0, 4096)]
  return textFrame(Opcode.trace, fields.join('\0'))
}

const isTraceKind = (kind: string): kind is Trace['kind'] =>
  ['call', 'program', 'later', 'lookup', 'named'].includes(kind)

/** It only serves messages: what is missing is empty, and what is too long is cut. */
export function readTrace(frame: Frame): Trace {
  const [kind = '', id = '', test = '', stack = '', path = ''] = frameText(frame)
    .slice(0, LONGEST_STACK + 16_384)
    .split('\0')
  return { kind: isTraceKind(kind) ? kind : 'call', id, test: test.slice(0, 1000), stack, path }
}

const MOST_BUSY = 10_000

export function busyFrame(descriptors: readonly number[]): Uint8Array {
  return textFrame(Opcode.busy, descriptors.slice(0, MOST_BUSY).join(' '))
}

export function readBusy(frame: Frame): ReadonlySet<number> {
  return new Set(
    frameText(frame)
      .split(' ')
      .filter((text) => /^\d{1,9}$/.test(text))
      .slice(0, MOST_BUSY)
      .map(Number),
  )
}

export function acquireFrame(id: number, name: string): Uint8Array {
  return textFrame(Opcode.acquire, name.slice(0, MAX_RESOURCE_NAME + 1), id)
}

/** The name; undefined for what no resource can be called. */
export function readAcquire({ body }: Frame): string | undefined {
  if (body.length > MAX_RESOURCE_NAME) return undefined
  const name = Buffer.from(body).toString('latin1')
  return RESOURCE_NAME.test(name) ? name : undefined
}

export function reportFrame(id: number, from: number): Uint8Array {
  const body = Buffer.alloc(4)
  body.writeUInt32LE(from)
  return encodeFrame({ opcode: Opcode.report, id, body })
}

export function readReport({ body }: Frame): number | undefined {
  return body.length === 4 ? Buffer.from(body).readUInt32LE() : undefined
}

// --- what the parent says

export function acquiredFrame(id: number, acquired: Acquired): Uint8Array {
  return textFrame(Opcode.acquired, JSON.stringify(acquired), id)
}

/** As many items from `from` on as one frame holds, and at least one, so that whoever asks on comes to the end. */
export function reportedFrame(
  id: number,
  mode: Reported['mode'],
  all: readonly GrantedItem[],
  from: number,
): Uint8Array {
  const items: GrantedItem[] = []
  let room = MAX_BODY - 100
  for (const item of all.slice(from)) {
    const short = { ...item, entry: item.entry.slice(0, MAX_TEXT) }
    room -= Buffer.byteLength(JSON.stringify(short)) + 1
    if (room < 0) break
    items.push(short)
  }
  return textFrame(Opcode.reported, JSON.stringify({ mode, total: all.length, items } satisfies Reported), id)
}

export function refusedFrame(id: number, { code, errno, text }: Refused): Uint8Array {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(code, 0)
  head.writeUInt16LE(errno, 2)
  return encodeFrame({
    opcode: Opcode.error,
    id,
    body: Buffer.concat([head, Buffer.from(text.slice(0, MAX_TEXT), 'utf8')]),
  })
}

export function readRefused({ body }: Frame): Refused | undefined {
  if (body.length < 4) return undefined
  const bytes = Buffer.from(body)
  const code = bytes.readUInt16LE(0)
  return isErrorCode(code) ? { code, errno: bytes.readUInt16LE(2), text: bytes.toString('utf8', 4) } : undefined
}
