/**
 * The program that the kernel starts in place of another: a script's interpreter, or the loader of a dynamic program.
 * execve(2).
 */

/** The bytes to read of a program. BINPRM_BUF_SIZE is 256; program headers may lie a little further. */
export const HEAD = 4096
const PT_INTERP = 3

export interface Interpreter {
  readonly path: string
  /** The text behind the path in a `#!` line: for `env`, the name of the program that it starts. Empty for a loader. */
  readonly argument: string
}

/**
 * Finds the interpreter in the first `HEAD` bytes of a program. Undefined if it names none, or not by an absolute path.
 */
export function interpreterIn(head: Buffer): Interpreter | undefined {
  if (head.toString('latin1', 0, 2) !== '#!') return loaderIn(head)
  const [path = '', argument = ''] = head.toString('latin1', 2).split('\n', 1)[0]?.trim().split(/\s+/, 2) ?? []
  return path.startsWith('/') ? { path, argument } : undefined
}

/** Finds the loader: elf(5), the PT_INTERP segment of a 64-bit little-endian file. */
function loaderIn(head: Buffer): Interpreter | undefined {
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return undefined
  const table = Number(head.readBigUInt64LE(32))
  const size = head.readUInt16LE(54)
  for (let index = 0; index < head.readUInt16LE(56); index++) {
    const at = table + index * size
    if (at + 56 > head.length) return undefined
    if (head.readUInt32LE(at) !== PT_INTERP) continue
    const from = Number(head.readBigUInt64LE(at + 8))
    const length = Number(head.readBigUInt64LE(at + 32))
    const path = head.toString('latin1', from, from + length - 1)
    return path.startsWith('/') ? { path, argument: '' } : undefined
  }
  return undefined
}
