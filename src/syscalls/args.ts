/**
 * Decoders from registers and memory to values. Each pointer is read here, once, before anything is decided; no handler
 * sees a pointer that it could read again.
 */
import { Errno } from '../abi/errno.js'
import { AT_FDCWD } from '../abi/path-flags.js'
import type { Call } from './call.js'
import { Fail, failed, type Outcome } from './outcome.js'

export type Arg<T> = (call: Call) => Outcome<T>

/** PATH_MAX, with the NUL: limits.h. */
const PATH_MAX = 4096

/** A path as the target spelled it, and the dirfd where a relative one starts. */
export interface PathArg {
  readonly text: string
  readonly dirfd: number
}

/** A 32-bit signed integer: the kernel's reading of an `int` argument, whatever the upper half holds. */
export function int(index: number): Arg<number> {
  return ({ registers }) => registers.low(index) | 0
}

export function unsigned(index: number): Arg<number> {
  return ({ registers }) => registers.low(index)
}

/** A pointer or size_t. A value of 2^53 or more loses low bits, but is no address of a process. */
export function word(index: number): Arg<number> {
  return ({ registers }) => registers.high(index) * 0x1_0000_0000 + registers.low(index)
}

/** A signed 64-bit integer: an offset or a length. */
export function long(index: number): Arg<number> {
  return ({ registers }) => (registers.high(index) | 0) * 0x1_0000_0000 + registers.low(index)
}

export function constant<T>(fixed: T): Arg<T> {
  return () => fixed
}

/** A NUL-terminated string of at most `max` bytes including the NUL. */
export function string(index: number, max: number, tooLong: Errno): Arg<string> {
  const pointer = word(index)
  return (call) => {
    const at = pointer(call)
    if (failed(at)) return at
    const text = call.target.readString(at, max)
    return failed(text) && text.errno === Errno.ENAMETOOLONG ? Fail.of(tooLong) : text
  }
}

/** A path argument of a call without a dirfd. */
export function path(index: number): Arg<PathArg> {
  return pathFrom(constant(AT_FDCWD), index)
}

/** A path argument, and the dirfd that it is relative to. */
export function pathAt(dirfd: number, index: number): Arg<PathArg> {
  return pathFrom(int(dirfd), index)
}

function pathFrom(dirfd: Arg<number>, index: number): Arg<PathArg> {
  const read = string(index, PATH_MAX, Errno.ENAMETOOLONG)
  return (call) => {
    const text = read(call)
    if (failed(text)) return text
    const from = dirfd(call)
    return failed(from) ? from : { text, dirfd: from }
  }
}

/** Like `pathAt`, but NULL means the descriptor itself: utimensat(2), statx(2) since 6.11. */
export function pathAtOrNull(dirfd: number, index: number): Arg<PathArg | undefined> {
  const pointer = word(index)
  const read = pathAt(dirfd, index)
  return (call) => (pointer(call) === 0 ? undefined : read(call))
}

/** `length` bytes of memory, or undefined for NULL. */
export function struct(index: number, length: number): Arg<Uint8Array | undefined> {
  const pointer = word(index)
  return (call) => {
    const at = pointer(call)
    if (failed(at)) return at
    return at === 0 ? undefined : call.target.readBytes(at, length)
  }
}

/** A buffer given by pointer and size, read whole. E2BIG above `max`, as in setxattr(2). */
export function blob(pointerIndex: number, sizeIndex: number, max: number): Arg<Uint8Array> {
  const pointer = word(pointerIndex)
  const size = word(sizeIndex)
  return (call) => {
    const length = size(call)
    if (failed(length)) return length
    if (length > max) return Fail.of(Errno.E2BIG)
    const at = pointer(call)
    if (failed(at)) return at
    return length === 0 ? new Uint8Array(0) : call.target.readBytes(at, length)
  }
}

/** Reads a 64-bit number in a structure that was read. */
export function word64(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
}
