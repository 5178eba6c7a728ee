/**
 * The only way to the kernel: syscall(2) through koffi. Everything dangerous in this project passes here; values that
 * leave the folder are typed, never a bare number.
 */
import { syscallNumber, type SyscallName } from '../abi/syscalls.js'
import { hostArch } from './host.js'
import { koffi } from './koffi.js'

const LONGS = Array.from({ length: 7 }, () => 'long')
// Node exports libc's symbols, so the running process itself is the library. syscall(2) is variadic in C, but both ABIs
// pass its integer arguments in the same registers as a plain function's.
const libc = koffi.load(null)
// koffi types every function as (...any) => any; the declaration beside each cast fixes its shape.
const syscall3 = libc.func('syscall', 'long', LONGS.slice(0, 4)) as (
  nr: number,
  a: number,
  b: number,
  c: number,
) => number
const syscall6 = libc.func('syscall', 'long', LONGS) as (
  nr: number,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
) => number

const arch = hostArch()

/** The number of a call on this machine. Throws if the architecture has none, which is a mistake of ours. */
export function numberOf(name: SyscallName): number {
  const number = syscallNumber(arch, name)
  if (number === undefined) throw new TypeError(`${name} has no number on ${arch}`)
  return number
}

/** Makes a call with at most three arguments. Returns the result, or the negated errno, as the kernel itself would. */
export function sys3(number: number, a = 0, b = 0, c = 0): number {
  const result = syscall3(number, a, b, c)
  return result === -1 ? -koffi.errno() : result
}

/** Makes a call with at most six arguments. Returns the result, or the negated errno. */
export function sys6(number: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  const result = syscall6(number, a, b, c, d, e, f)
  return result === -1 ? -koffi.errno() : result
}

/** Kept objects: more than any function here makes before its last system call. */
const KEPT = 16
const lately: (Pinned | undefined)[] = Array.from({ length: KEPT })
let made = 0

/**
 * Memory with a fixed address, for the kernel to read and write. It lives as long as this object, and at least until
 * {@link KEPT} others were made. An address is a number and keeps nothing alive, so without that the memory of a local
 * variable could be freed before the call that it is for.
 */
export class Pinned {
  readonly bytes: Buffer
  /**
   * The whole 32-bit words of the same memory: index `offset / 4`. They are plain loads and stores, unlike a Buffer's
   * methods.
   */
  readonly words: Uint32Array
  readonly address: number

  constructor(readonly size: number) {
    // allocUnsafeSlow makes an allocation of its own, outside V8's moving heap and outside the shared pool.
    this.bytes = Buffer.allocUnsafeSlow(size).fill(0)
    this.words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, size >>> 2)
    this.address = Number(koffi.address(this.bytes))
    lately[made++ % KEPT] = this
  }

  /** Writes a 64-bit number of at most 2^53, at an offset that is a multiple of 4. */
  setWord(offset: number, value: number): void {
    const low = value >>> 0
    this.words[offset >>> 2] = low
    this.words[(offset >>> 2) + 1] = (value - low) / 0x1_0000_0000
  }

  /** Writes a NUL-terminated string of bytes and returns its address. */
  text(latin1: string, offset = 0): number {
    const end = offset + this.bytes.write(latin1, offset, 'latin1')
    this.bytes[end] = 0
    return this.address + offset
  }
}
