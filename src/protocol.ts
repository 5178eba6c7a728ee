/**
 * The broker's own protocol: one SEQPACKET packet a frame. A 16-byte header, then a body of at most 64 KiB less that.
 * Pure; both sides use it. All integers are little-endian.
 *
 * Everything a worker sends is hostile: decoding gives a frame or says what is wrong, and never throws.
 */
export const PROTOCOL_VERSION = 1
export const MAX_FRAME = 65_536
const MAGIC = 0x5653 // "SV"
const HEADER = { size: 16, magic: 0, version: 2, opcode: 3, id: 4, length: 8, reserved: 12 } as const

/** Who may send it stands beside it. */
export const Opcode = {
  /** Parent: everything the worker's entry needs. JSON. */
  setup: 1,
  /** Worker: how far its start is; text. */
  stage: 2,
  /** Worker: confined. JSON `{ listener, landlock, waitKillable }`, with the number of the listener's descriptor. */
  hello: 3,
  /** Parent: the listener is in the broker's hands; the worker closes its own. */
  welcome: 4,
  /** Worker: which test runs from here on; text, for messages only. It never widens anything. */
  mark: 5,
} as const
export type Opcode = (typeof Opcode)[keyof typeof Opcode]

const OPCODES: ReadonlySet<number> = new Set(Object.values(Opcode))

export interface Frame {
  readonly opcode: Opcode
  /** Chosen by the sender; an answer repeats it. */
  readonly id: number
  readonly body: Uint8Array
}

export type FrameFault = 'short' | 'magic' | 'version' | 'opcode' | 'length' | 'reserved'

export function encodeFrame({ opcode, id, body }: Frame): Uint8Array {
  if (body.length > MAX_FRAME - HEADER.size) throw new RangeError(`a frame body of ${body.length} bytes is too long`)
  const packet = Buffer.alloc(HEADER.size + body.length)
  packet.writeUInt16LE(MAGIC, HEADER.magic)
  packet.writeUInt8(PROTOCOL_VERSION, HEADER.version)
  packet.writeUInt8(opcode, HEADER.opcode)
  packet.writeUInt32LE(id >>> 0, HEADER.id)
  packet.writeUInt32LE(body.length, HEADER.length)
  packet.set(body, HEADER.size)
  return packet
}

export function decodeFrame(packet: Uint8Array): Frame | FrameFault {
  if (packet.length < HEADER.size || packet.length > MAX_FRAME) return 'short'
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  if (view.getUint16(HEADER.magic, true) !== MAGIC) return 'magic'
  if (view.getUint8(HEADER.version) !== PROTOCOL_VERSION) return 'version'
  const opcode = view.getUint8(HEADER.opcode)
  if (!isOpcode(opcode)) return 'opcode'
  if (view.getUint32(HEADER.length, true) !== packet.length - HEADER.size) return 'length'
  if (view.getUint32(HEADER.reserved, true) !== 0) return 'reserved'
  return { opcode, id: view.getUint32(HEADER.id, true), body: packet.subarray(HEADER.size) }
}

function isOpcode(value: number): value is Opcode {
  return OPCODES.has(value)
}

export function textFrame(opcode: Opcode, text: string, id = 0): Uint8Array {
  return encodeFrame({ opcode, id, body: Buffer.from(text, 'utf8') })
}

export function frameText(frame: Frame): string {
  return Buffer.from(frame.body).toString('utf8')
}

/** What the worker's entry is told before it confines itself. */
export interface Setup {
  /** The filter, struct sock_filter after struct sock_filter, base64. */
  readonly filter: string
  /** Paths that stay readable in the Landlock domain, for loading the runner, and programs that may be executed. */
  readonly landlock: readonly { readonly path: string; readonly right: 'read' | 'execute' }[]
  /** The runner module, loaded before the filter; the worker's own runtime, as file: URL. */
  readonly runtime: string
  /** Vitest's `vitest/worker` module, as file: URL. */
  readonly runner: string
  /** Modules that the user's execArgv or NODE_OPTIONS preload: loaded after the filter. */
  readonly preload: readonly { readonly kind: 'require' | 'import'; readonly specifier: string }[]
}
