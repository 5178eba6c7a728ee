/**
 * The bodies of frames: typed, encoded and decoded here for both sides. This module is pure.
 *
 * A body that cannot be read is `undefined`, never an exception; the receiver decides what that means.
 */
import { MAX_RESOURCE_NAME, RESOURCE_NAME, type ResourceKind } from '../policy/resource-names.js'
import { encodeFrame, isOneOf, MAX_BODY, Opcode, type Frame } from './frames.js'

/** The instructions for the worker's entry, before it confines itself. */
export interface Setup {
  /** The filter: an array of struct sock_filter, base64. */
  readonly filter: string
  /**
   * A second filter in the same form, installed once the listener has been sent. Only on machines where the broker
   * cannot take the listener.
   */
  readonly seal?: string
  /** Set if sockets are left alone. */
  readonly opensNetwork?: true
  /** Paths that stay readable in the Landlock domain, for loading the runner, and programs that may be executed. */
  readonly landlock: readonly { readonly path: string; readonly right: 'read' | 'execute' }[]
  /** The worker's own runtime, as a file: URL. It is loaded before the filter. */
  readonly runtime: string
  /** Vitest's `vitest/worker` module, as a file: URL. */
  readonly runner: string
  /**
   * More of Vitest's own modules, as file: URLs: those that the runner later loads in any case, once for each process.
   */
  readonly early?: readonly string[]
  /** Variables that the process was not to be born with. They are set after the filter. */
  readonly env?: Readonly<Record<string, string>>
  /** The working directory, if the process was not to be born there. It is entered after the filter. */
  readonly cwd?: string
  /** Modules that the user's execArgv or NODE_OPTIONS preload; they are loaded after the filter. */
  readonly preload: readonly { readonly kind: 'require' | 'import'; readonly specifier: string }[]
  /**
   * The checks that the worker makes of itself before it goes on. It then sends the stage `checked`, or the ways that
   * led out.
   */
  readonly selfCheck?: { readonly paths: readonly string[]; readonly parent: number }
  /** Error codes that may mean a refusal: the worker reports the stack of a call that failed with one. */
  readonly traced?: readonly string[]
  /** The size of the module table in descriptor 5, if the worker was born with one. */
  readonly modules?: number
  /** The arguments after the program in process.argv, if the worker runs a command: Vitest's own. */
  readonly argv?: readonly string[]
  /**
   * The process group to join, of the same session: that of the typed command. Without it, the worker makes a session
   * of its own.
   */
  readonly group?: number
  /** Set if the worker reports, at the end of test files, the sockets that keep its event loop alive. */
  readonly tellsBusy?: boolean
}

/** The stage that a worker sends if none of its attempts led out. */
export const CHECKED = 'checked'

/** The place of a failed call, as the worker claims. */
export interface Trace {
  /**
   * A call of the thread that runs the tests; a call that started a program; a later call of a thread of libuv's pool;
   * a host that is about to be looked up; or an address that is about to be spoken to because a host's name led there.
   */
  readonly kind: 'call' | 'program' | 'later' | 'lookup' | 'named'
  /** The test, if it runs beside others and the call knows which one it is; otherwise empty. */
  readonly id: string
  readonly test: string
  /** The stack as V8 writes it; `host:port` for a look-up; `host address` for an address. */
  readonly stack: string
  /** For a later call: its path, absolute, as it was spelled. */
  readonly path?: string
}

interface Hello {
  /** The number of the listener's descriptor in the worker. */
  readonly listener: number
  /** The Landlock ABI that the worker entered, 0 for none. */
  readonly landlock: number
  readonly waitKillable: boolean
}

/** The facts that come with a resource's descriptor. */
export interface Acquired {
  readonly name: string
  readonly kind: ResourceKind
  /** For a file or directory: its path, absolute and canonical. */
  readonly path?: string
  /** For a socket: the peer's address, or its own if it listens, as a manifest writes it: `tcp:127.0.0.1:40123`. */
  readonly address?: string
  /** For a datagram socket: a bound one receives from everyone; a connected one speaks with one peer only. */
  readonly bound?: boolean
}

/** One grant of a worker. */
export interface GrantedItem {
  /** `read`, `write`, `exec`, `connect`, `listen` or `resources`. */
  readonly list: string
  /** The entry as the manifest writes it; for a resource, its name. */
  readonly entry: string
  /** For a resource: its kind. */
  readonly kind?: ResourceKind
}

export interface Reported {
  readonly mode: 'enforce' | 'audit'
  /** The number of all items; the answer holds as many as fit, from `from` on. */
  readonly total: number
  readonly items: readonly GrantedItem[]
}

/** The reasons why a request was not granted. */
export const ErrorCode = {
  /** The body is not what this opcode wants. */
  malformed: 1,
  /** No resource of this name is granted to this test file. */
  ungranted: 2,
  /** The resource is granted, but could not be opened: the errno says why. */
  unavailable: 3,
  /** Too many requests of this worker wait already. */
  busy: 4,
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

const isErrorCode = isOneOf(ErrorCode)

export interface Refused {
  readonly code: ErrorCode
  /** For `unavailable`; 0 for the others. */
  readonly errno: number
  /** Text for people: one or more lines. */
  readonly text: string
}

/** Room for a text in a body that holds other fields, too. */
const MAX_TEXT = 4000

/**
 * The stage in which the worker installs its filter: from here on it may be caught in a call before it can say hello.
 */
export const INSTALLING = 'filter'

// --- messages of the worker

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

/** `descriptor`: the worker's own descriptor of the memory that says which test runs (marks.ts). */
export function markFrame(descriptor: number): Uint8Array {
  const body = Buffer.alloc(4)
  body.writeUInt32LE(descriptor)
  return encodeFrame({ opcode: Opcode.mark, id: 0, body })
}

/** Reads the descriptor; undefined if the number cannot be one. */
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

/** Reads a trace. It only serves messages, so missing fields are empty, and long ones are cut. */
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

/** Reads the name; undefined if no resource can have it. */
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

// --- messages of the parent

export function acquiredFrame(id: number, acquired: Acquired): Uint8Array {
  return textFrame(Opcode.acquired, JSON.stringify(acquired), id)
}

/**
 * A frame with as many items from `from` on as it can hold, and at least one, so that repeated requests come to the
 * end.
 */
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
