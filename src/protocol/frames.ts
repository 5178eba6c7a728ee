/**
 * Frames of the broker's own protocol, one SEQPACKET packet each: a 16-byte header, then a body of at most 64 KiB less
 * that. Both sides use this module, and it is pure. All integers are little-endian.
 *
 * Everything that a worker sends is hostile: decoding returns a frame or says what is wrong, and never throws.
 */
export const PROTOCOL_VERSION = 1
export const MAX_FRAME = 65_536
const MAGIC = 0x5653 // "SV"
const HEADER = { size: 16, magic: 0, version: 2, opcode: 3, id: 4, length: 8, reserved: 12 } as const
export const MAX_BODY = MAX_FRAME - HEADER.size

/** The opcodes, each with its sender. docs/protocol.md describes the bodies. */
export const Opcode = {
  /** Parent: everything the worker's entry needs. */
  setup: 1,
  /** Worker: the stage that its start has reached. */
  stage: 2,
  /** Worker: confined. Names the listener's descriptor. */
  hello: 3,
  /** Parent: the listener is in the broker's hands; the worker closes its own. */
  welcome: 4,
  /** Worker: the memory in which it says which test runs. For messages only; it never widens anything. */
  mark: 5,
  /** Worker: asks for a resource by name. Answered by `acquired` or `error`. */
  acquire: 6,
  /** Parent: the resource, with its descriptor as SCM_RIGHTS. */
  acquired: 7,
  /** Worker: asks for its grants. Answered by `reported` or `error`. */
  report: 8,
  /** Parent: a part of the worker's grants. */
  reported: 9,
  /** Parent: a request was refused or failed. */
  error: 10,
  /** Worker: the stack of a call that was just refused; for messages only. */
  trace: 11,
  /** Worker: the sockets that keep its event loop alive, at the end of test files; for messages only. */
  busy: 12,
} as const
export type Opcode = (typeof Opcode)[keyof typeof Opcode]

/** Makes a guard for received numbers: true for one of these codes. */
export function isOneOf<T extends number>(codes: Readonly<Record<string, T>>): (value: number) => value is T {
  const known: ReadonlySet<number> = new Set(Object.values(codes))
  return (value): value is T => known.has(value)
}

const isOpcode = isOneOf(Opcode)

export interface Frame {
  readonly opcode: Opcode
  /** A number that the sender chooses; an answer repeats it. */
  readonly id: number
  readonly body: Uint8Array
}

type FrameFault = 'short' | 'magic' | 'version' | 'opcode' | 'length' | 'reserved'

export function encodeFrame({ opcode, id, body }: Frame): Uint8Array {
  if (body.length > MAX_BODY) throw new RangeError(`a frame body of ${body.length} bytes is too long`)
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
