/**
 * getsockname(2), getpeername(2). The broker binds a unix socket by its name alone, from its directory, so that no link
 * is followed, and the kernel then shows only that name. Programs that use the answer as a path (libuv, to chmod the
 * file) need the whole path.
 */
import { Errno } from '../abi/errno.js'
import { AF_UNIX } from '../abi/socket.js'
import { SOCKADDR_UN } from '../abi/structs.js'
import { parseAddress } from './addresses.js'
import { int, word } from './args.js'
import { done, type Call, type Reply } from './call.js'
import { defineSyscall, type Row } from './define.js'
import { onOwn } from './handle.js'
import { Fail, failed, type Outcome } from './outcome.js'
import type { Descriptor } from './ports.js'

/** The directory before the name, if the broker has no working directory of its own to bind from. */
const FROM_DIRECTORY = /^\/proc\/self\/fd\/\d+\//

/** The address as the worker spelled it when it bound it; unchanged if the worker did not bind it. */
export function asSpelled(call: Call, address: Uint8Array, socket?: Descriptor): Uint8Array {
  const shown = parseAddress(address)
  if (failed(shown) || shown.family !== 'unix' || shown.text === '') return address
  const cookie = socket === undefined ? undefined : call.kernel.sockets.cookie(socket)
  const text = call.own.boundAs(shown.text.replace(FROM_DIRECTORY, ''), failed(cookie) ? undefined : cookie)
  if (text === undefined) return address
  const bytes = Buffer.alloc(SOCKADDR_UN.sun_path + text.length + 1)
  bytes.writeUInt16LE(AF_UNIX, 0)
  bytes.write(text, SOCKADDR_UN.sun_path, 'latin1')
  return bytes
}

/** The target's room for an address, in bytes. */
export function roomAt(call: Call, sizeAt: number): Outcome<number> {
  const bytes = call.target.readBytes(sizeAt, 4)
  if (failed(bytes)) return bytes
  const size = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true)
  return size < 0 ? Fail.of(Errno.EINVAL) : size
}

/** Writes as much of the address as there is room for, and its whole length. */
export function giveAddress(call: Call, address: Uint8Array, to: number, sizeAt: number, room: number): Outcome<true> {
  const size = Buffer.alloc(4)
  size.writeInt32LE(address.length, 0)
  const written = call.target.writeBytes(to, address.subarray(0, room))
  return failed(written) ? written : call.target.writeBytes(sizeAt, size)
}

interface NameArgs {
  readonly fd: number
  readonly to: number
  readonly sizeAt: number
}

function nameRow(name: 'getsockname' | 'getpeername'): Row {
  return defineSyscall({
    name,
    family: 'sockets',
    operation: 'ask-socket',
    answer: 'of a unix socket: answered with the path as it was bound; of any other: continued',
    args: { fd: int(0), to: word(1), sizeAt: word(2) },
    handle: (call, asked) => onOwn(call, asked.fd, (held) => tellName(call, held, asked, name)),
  })
}

function tellName(call: Call, held: Descriptor, { to, sizeAt }: NameArgs, name: 'getsockname' | 'getpeername'): Reply {
  const { sockets } = call.kernel
  const facts = sockets.facts(held)
  if (failed(facts)) return facts
  // Nothing is decided here: if another thread changes the meaning of the number meanwhile, it only learns its own
  // name.
  if (facts.domain !== AF_UNIX) return { kind: 'continue', reason: 'registers-only' }
  const room = roomAt(call, sizeAt)
  if (failed(room)) return room
  const address = name === 'getsockname' ? sockets.localAddress(held) : sockets.remoteAddress(held)
  if (failed(address)) return address
  const spelled = name === 'getsockname' ? asSpelled(call, address, held) : asSpelled(call, address)
  return done(giveAddress(call, spelled, to, sizeAt, room))
}

export const nameFamily: readonly Row[] = [nameRow('getsockname'), nameRow('getpeername')]
