/**
 * Holds the lock of a file in the kernel (inode_lock), for as long as a test wants: whoever changes the file or its names sleeps meanwhile.
 * It writes to the file from memory that is not there until it says so: userfaultfd(2), ioctl_userfaultfd(2).
 */
import { closeSync, openSync } from 'node:fs'
import { koffi } from '../../src/sys/koffi.js'
import { numberOf, Pinned, sys3, sys6 } from '../../src/sys/raw.js'

const O_CLOEXEC = 0x80000
const PAGE = 4096
const MESSAGE = 32
const UFFD_API = 0xaan
const UFFDIO_API = 0xc018aa3f
const UFFDIO_REGISTER = 0xc020aa00
const MISSING = 1n
const PROT = 0x3
const MAP_PRIVATE_ANONYMOUS = 0x22

const libc = koffi.load(null)
const readAsync = libc.func('read', 'long', ['int', 'long', 'long'])
const writeAsync = libc.func('write', 'long', ['int', 'long', 'long'])

function inAThread(call: typeof readAsync, fd: number, address: number, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(fd, address, length, (error: Error | null, result: number) =>
      error === null ? resolve(result) : reject(error),
    )
  })
}

/** Why none can be held here; undefined where it can. */
export function cannotHold(): string | undefined {
  if (process.platform !== 'linux') return 'skipped where the system is not Linux'
  const fd = sys3(numberOf('userfaultfd'), O_CLOEXEC)
  if (fd < 0) return 'skipped where this user may not have userfaultfd(2)'
  closeSync(fd)
  return undefined
}

function ioctl(fd: number, request: number, words: readonly bigint[]): void {
  const memory = new Pinned(words.length * 8)
  words.forEach((word, index) => memory.bytes.writeBigUInt64LE(word, index * 8))
  const result = sys3(numberOf('ioctl'), fd, request, memory.address)
  if (result < 0) throw new Error(`ioctl ${request.toString(16)}: errno ${-result}`)
}

/** Resolves once the lock is held. */
export async function holdInode(path: string): Promise<{ release(): Promise<void> }> {
  const faults = sys3(numberOf('userfaultfd'), O_CLOEXEC)
  ioctl(faults, UFFDIO_API, [UFFD_API, 0n, 0n])
  const address = sys6(numberOf('mmap'), 0, PAGE, PROT, MAP_PRIVATE_ANONYMOUS, -1, 0)
  ioctl(faults, UFFDIO_REGISTER, [BigInt(address), BigInt(PAGE), MISSING, 0n])
  const file = openSync(path, 'r+')
  const written = inAThread(writeAsync, file, address, PAGE)
  const message = new Pinned(MESSAGE)
  // The kernel says that the page is missing: ext4 and the others have locked the file by then.
  await inAThread(readAsync, faults, message.address, MESSAGE)
  return {
    async release() {
      closeSync(faults)
      await written
      closeSync(file)
      sys3(numberOf('munmap'), address, PAGE)
    },
  }
}
