/** The target port in memory: a process with memory, descriptors, a working directory, and its entry below /proc. */
import { Errno } from '../../src/abi/errno.js'
import { rawPath, type BytePath } from '../../src/policy/request.js'
import { Fail, type Outcome } from '../../src/syscalls/outcome.js'
import type { Relation, Target, TargetDescriptor } from '../../src/syscalls/ports.js'
import { FakeFd, textOf, type Description } from './fake-descriptors.js'
import { Inode } from './fake-files.js'
import type { FakeKernel } from './fake-kernel.js'

const PAGE = 0x1000

export class FakeTarget implements Target {
  readonly descriptors = new Map<number, Description>()
  readonly kin = new Set<number>()
  readonly strangers = new Set([1])
  /** Members by group; 0 is the group of the target itself. */
  readonly groups = new Map<number, readonly number[]>()
  readonly gone = new Set<number>()
  readonly written: { readonly pointer: number; readonly bytes: Uint8Array }[] = []
  /** What was read, to see that nothing is read twice: it could have changed between. */
  readonly reads: { readonly from: number; readonly to: number }[] = []
  readonly #memory = new Map<number, Uint8Array>()
  /** What other threads write into memory as soon as it was read, by address. */
  readonly #changes = new Map<number, Uint8Array>()
  #next = 0x10_0000
  cwd = '/'
  mask = 0o022
  waiting = true
  /** True if another process has the worker's number by now. */
  isReaped = false
  readonly raised: number[] = []
  worker: number

  constructor(
    readonly kernel: FakeKernel,
    readonly process = 100,
    readonly tid = process,
  ) {
    this.kin.add(process)
    this.worker = process
  }

  // --- what a test arranges

  /** Puts bytes at the end of a page of its own: one byte more is not there. Returns the address. */
  put(bytes: Uint8Array): number {
    const size = Math.ceil(Math.max(1, bytes.length) / PAGE) * PAGE
    const pointer = this.#next + size - bytes.length
    this.#memory.set(pointer, Uint8Array.from(bytes))
    this.#next += size + PAGE
    return pointer
  }

  text(latin1: string): number {
    return this.put(Buffer.from(`${latin1}\0`, 'latin1'))
  }

  /** Bytes that turn into others as soon as they were read once, and back again. */
  changing(first: Uint8Array, next: Uint8Array): number {
    const size = Math.max(first.length, next.length)
    const whole = [first, next].map((bytes) => Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]))
    const pointer = this.put(whole[0] ?? first)
    this.#changes.set(pointer, whole[1] ?? next)
    return pointer
  }

  #change(pointer: number): void {
    const change = this.#changes.get(pointer)
    const now = this.#memory.get(pointer)
    if (change === undefined || now === undefined) return
    this.#memory.set(pointer, change)
    this.#changes.set(pointer, now)
  }

  bytesAt(pointer: number): Uint8Array {
    return this.#memory.get(pointer) ?? new Uint8Array(0)
  }

  /** The target now holds what the broker's descriptor refers to. Shows it below /proc, as the kernel would. */
  hold(number: number, fd: FakeFd): number {
    fd.description.users++
    this.descriptors.set(number, fd.description)
    fd.close()
    const directory = this.kernel.files.find(rawPath(`/proc/${this.process}/fd`))
    if (!(directory instanceof Fail) && directory.inode !== undefined) {
      const link = new Inode('link', 0o700)
      link.text = textOf(this.kernel.files, fd.description)
      directory.inode.entries.set(`${number}`, link)
    }
    return number
  }

  // --- Target

  pid(): Outcome<number> {
    return this.process
  }

  isFirstThread(): boolean {
    return !this.isReaped && this.tid === this.worker
  }

  stillWaiting(): boolean {
    return this.waiting
  }

  #find(pointer: number): Uint8Array | undefined {
    for (const [start, bytes] of this.#memory) {
      if (pointer >= start && pointer < start + bytes.length) return bytes.subarray(pointer - start)
    }
    return undefined
  }

  readString(pointer: number, max: number): Outcome<string> {
    const bytes = this.#find(pointer)
    if (bytes === undefined) return Fail.of(Errno.EFAULT)
    const end = bytes.indexOf(0)
    this.reads.push({ from: pointer, to: pointer + (end < 0 ? bytes.length : end) })
    this.#change(pointer)
    if (end >= 0 && end < max) return Buffer.from(bytes.subarray(0, end)).toString('latin1')
    return Fail.of(bytes.length < max ? Errno.EFAULT : Errno.ENAMETOOLONG)
  }

  readBytes(pointer: number, length: number): Outcome<Uint8Array> {
    const bytes = this.#find(pointer)
    if (pointer === 0 || bytes === undefined || bytes.length < length) return Fail.of(Errno.EFAULT)
    this.reads.push({ from: pointer, to: pointer + length })
    this.#change(pointer)
    return Uint8Array.from(bytes.subarray(0, length))
  }

  writeBytes(pointer: number, bytes: Uint8Array): Outcome<true> {
    if (bytes.length === 0) return true
    const memory = this.#find(pointer)
    if (pointer === 0 || memory === undefined || memory.length < bytes.length) return Fail.of(Errno.EFAULT)
    memory.set(bytes)
    this.written.push({ pointer, bytes: Uint8Array.from(bytes) })
    return true
  }

  workingDirectory(): Outcome<BytePath> {
    return rawPath(this.cwd)
  }

  descriptorText(fd: number): Outcome<BytePath> {
    const held = this.descriptors.get(fd)
    return held === undefined ? Fail.of(Errno.EBADF) : textOf(this.kernel.files, held)
  }

  descriptor(fd: number): Outcome<TargetDescriptor> {
    const held = this.descriptors.get(fd)
    return held === undefined ? Fail.of(Errno.EBADF) : new FakeFd(this.kernel.ledger, held)
  }

  fileOf(fd: number): Outcome<TargetDescriptor> {
    return this.descriptor(fd)
  }

  flagsOf(fd: number): Outcome<number> {
    return this.descriptors.get(fd)?.flags ?? Fail.of(Errno.EBADF)
  }

  ownSocket(inode: number): Outcome<TargetDescriptor> {
    for (const held of this.descriptors.values())
      if (held.label === `socket:[${inode}]`) return new FakeFd(this.kernel.ledger, held)
    return Fail.of(Errno.ENOENT)
  }

  relationTo(pid: number): Relation {
    return this.kin.has(pid) ? 'ownTree' : this.gone.has(pid) ? 'exited' : 'foreign'
  }

  /** Of process groups. */
  readonly members = new Map<number, readonly number[]>()

  membersOf(group: number): readonly number[] {
    return this.members.get(group) ?? []
  }

  relationToGroup(group: number): Relation {
    return this.relationTo(group === 0 ? this.tid : group)
  }

  raise(signal: number): void {
    this.raised.push(signal)
  }

  umask(): Outcome<number> {
    return this.mask
  }
}
