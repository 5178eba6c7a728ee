import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isArch } from '../../src/abi/arch.js'
import { Errno } from '../../src/abi/errno.js'
import { Fail, failed } from '../../src/syscalls/outcome.js'
import type { Target } from '../../src/syscalls/ports.js'
import { FakeKernel } from '../contracts/fake-kernel.js'
import { FakeTarget } from '../contracts/fake-target.js'

/** A target and memory of its: `put` at the end of a page whose next page is not there. */
interface Subject {
  readonly target: Target
  put(bytes: Uint8Array): number
  bytesAt(pointer: number, length: number): Uint8Array
  /** A descriptor of the target's, and the file it is open on. */
  readonly fd: number
  readonly text: string
  dispose(): void
}

function targetContract(make: () => Subject): void {
  let subject: Subject
  beforeEach(() => {
    subject = make()
  })
  afterEach(() => subject.dispose())
  const string = (bytes: Uint8Array | string, max: number): string => {
    const pointer = subject.put(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    const read = subject.target.readString(pointer, max)
    return failed(read) ? read.toString() : JSON.stringify(read)
  }

  test('strings end at NUL, at the limit, or where memory does', () => {
    expect(string('hello\0', 100)).toBe('"hello"')
    expect(string('hello\0', 6)).toBe('"hello"')
    expect(string('hello\0', 5)).toBe('ENAMETOOLONG')
    expect(string('hello', 100)).toBe('EFAULT')
    expect(string('hello', 5)).toBe('ENAMETOOLONG')
    expect(string('\0', 100)).toBe('""')
    expect(string('\xff\xfe\x01\0', 100)).toBe(JSON.stringify('\xff\xfe\x01'))
    expect(string(`${'x'.repeat(5000)}\0`, 4096)).toBe('ENAMETOOLONG')
    expect(string(`${'x'.repeat(4095)}\0`, 4096)).toBe(JSON.stringify('x'.repeat(4095)))
  })

  test('bytes are read and written whole or not at all', () => {
    const { target } = subject
    const pointer = subject.put(Buffer.from([1, 2, 3, 4]))
    const read = target.readBytes(pointer, 4)
    expect(failed(read) ? read : [...read]).toEqual([1, 2, 3, 4])
    expect(target.readBytes(pointer, 5)).toBe(Fail.of(Errno.EFAULT))
    expect(target.readBytes(pointer, 2 ** 40)).toBe(Fail.of(Errno.EFAULT))
    expect(target.writeBytes(pointer, Buffer.from([9, 8]))).toBe(true)
    expect([...subject.bytesAt(pointer, 4)]).toEqual([9, 8, 3, 4])
    expect(target.writeBytes(pointer, Buffer.from([1, 1, 1, 1, 1]))).toBe(Fail.of(Errno.EFAULT))
  })

  test.each([0, 1, 0xfff, 2 ** 47, 2 ** 52, 2 ** 53, 2 ** 63, 2 ** 64 - 1])('%d is no address', (pointer) => {
    const { target } = subject
    expect(target.readString(pointer, 10)).toBe(Fail.of(Errno.EFAULT))
    expect(target.readBytes(pointer, 10)).toBe(Fail.of(Errno.EFAULT))
    expect(target.writeBytes(pointer, Buffer.from('x'))).toBe(Fail.of(Errno.EFAULT))
  })

  test('descriptors: those that are open, and no others', () => {
    const { target, fd, text } = subject
    expect(target.descriptorText(fd)).toBe(text)
    const held = target.descriptor(fd)
    expect(failed(held)).toBe(false)
    if (!failed(held)) held.close()
    const file = target.fileOf(fd)
    expect(failed(file)).toBe(false)
    if (!failed(file)) file.close()
    for (const number of [-1, -100, 9999, 2 ** 31 - 1]) {
      expect(target.descriptor(number)).toBe(Fail.of(Errno.EBADF))
      expect(target.fileOf(number)).toBe(Fail.of(Errno.EBADF))
      expect(target.descriptorText(number)).toBe(Fail.of(Errno.EBADF))
    }
  })

  test('about the process', () => {
    const { target } = subject
    expect(failed(target.pid())).toBe(false)
    expect(target.isFirstThread()).toBe(true)
    expect(target.relationTo(Number(target.pid()))).toBe('ownTree')
    expect(target.relationTo(1)).not.toBe('ownTree')
    expect(failed(target.umask())).toBe(false)
    expect(String(target.workingDirectory()).startsWith('/')).toBe(true)
  })
}

describe('the fake target', () => {
  targetContract(() => {
    const kernel = new FakeKernel({ etc: { hostname: 'x' } })
    const target = new FakeTarget(kernel, 100)
    target.descriptors.set(5, {
      inode: kernel.files.at('/etc/hostname'),
      label: '',
      socket: undefined,
      flags: 0,
      openedAt: '',
      users: 1,
    })
    return {
      target,
      fd: 5,
      text: '/etc/hostname',
      put: (bytes) => target.put(bytes),
      bytesAt: (pointer, length) => target.bytesAt(pointer).subarray(0, length),
      dispose: () => {},
    }
  })
})

/** The last number that a process got: proc_sys_kernel(5). */
const LAST_PID = '/proc/sys/kernel/ns_last_pid'

/**
 * Process numbers of their own, pid_namespaces(7): nobody else takes the one that is to be given again, and none that
 * others' tests hold is. With `code`, Node runs that; its answer is what it prints.
 */
function inOwnNumbers(code: string): { status: number | null; stdout: string; stderr: string } {
  const flags = ['--pid', '--fork', '--mount-proc', '--kill-child']
  const node = [process.execPath, '--input-type=module', '-e', code]
  return spawnSync('unshare', [...flags, ...node], { encoding: 'utf8', timeout: 60_000 })
}

/** dist/ is what tsc made of src/. */
const built = (name: string): string => new URL(`../../dist/sys/${name}.js`, import.meta.url).href

/** A kernel, a container or a user may forbid it. */
function canChooseNumbers(): boolean {
  const write = `import { writeFileSync } from 'node:fs'; writeFileSync('${LAST_PID}', '100')`
  return process.platform === 'linux' && inOwnNumbers(write).status === 0
}

const isOurs = process.platform === 'linux' && isArch(process.arch)

describe.skipIf(!isOurs)(
  'the real target, this process itself (skipped where the system is not Linux on x64 or arm64)',
  async () => {
    if (!isOurs) return
    const { LinuxTarget } = await import('../../src/sys/target.js')
    const { ProcessHandle } = await import('../../src/sys/worker-process.js')
    const { numberOf, Pinned, sys6 } = await import('../../src/sys/raw.js')
    const { OwnedFd } = await import('../../src/sys/owned-fd.js')
    const { openFlags } = await import('../../src/abi/open-flags.js')
    const O = openFlags(process.arch === 'arm64' ? 'arm64' : 'x64')
    const { default: koffi } = await import('koffi')
    const PAGE = 4096
    const PROT_READ_WRITE = 3
    const MAP_PRIVATE_ANONYMOUS = 0x22

    const realSubject = (): Subject & { target: InstanceType<typeof LinuxTarget> } => {
      const worker = new ProcessHandle(process.pid)
      const target = new LinuxTarget(worker, process.pid, () => true)
      const fd = openSync('/proc/self/status', 'r')
      return {
        target,
        fd,
        text: `/proc/${process.pid}/status`,
        put(bytes) {
          const size = Math.ceil(Math.max(1, bytes.length) / PAGE) * PAGE
          const start = sys6(numberOf('mmap'), 0, size + PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0)
          sys6(numberOf('munmap'), start + size, PAGE)
          const pointer = start + size - bytes.length
          Buffer.from(koffi.view(BigInt(pointer), bytes.length)).set(bytes)
          return pointer
        },
        bytesAt: (pointer, length) => Buffer.from(koffi.view(BigInt(pointer), length)),
        dispose() {
          closeSync(fd)
          target.close()
          worker.close()
        },
      }
    }

    describe('contract', () => targetContract(realSubject))

    test('memory and descriptors of a thread that no longer waits are not touched', () => {
      const subject = realSubject()
      const pointer = subject.put(Buffer.from('before'))
      // Of a process that is not the worker's first: its number alone says who it is.
      const worker = new ProcessHandle(process.ppid)
      const target = new LinuxTarget(worker, process.pid, () => false)
      target.stillWaiting()
      expect(target.writeBytes(pointer, Buffer.from('after!'))).toBe(Fail.of(Errno.EFAULT))
      expect(Buffer.from(subject.bytesAt(pointer, 6)).toString()).toBe('before')
      expect(target.readBytes(pointer, 6)).toBe(Fail.of(Errno.EFAULT))
      expect(target.readString(pointer, 6)).toBe(Fail.of(Errno.EFAULT))
      for (const about of [
        target.descriptor(subject.fd),
        target.fileOf(subject.fd),
        target.pid(),
        target.workingDirectory(),
        target.umask(),
      ])
        expect(about).toBe(Fail.of(Errno.ESRCH))
      expect(target.descriptorText(subject.fd)).toBe(Fail.of(Errno.EBADF))
      worker.close()
      subject.dispose()
    })

    test('how a descriptor was opened, as long as it refers to the file of the handle', () => {
      const subject = realSubject()
      const handle = (path: string) => {
        const name = new Pinned(path.length + 1)
        return new OwnedFd(sys6(numberOf('openat'), -100, name.text(path), O.O_PATH | O.O_CLOEXEC, 0))
      }
      const other = openSync('/proc/self/mounts', 'r')
      const writes = openSync('/dev/null', 'w')
      using own = handle(`/proc/self/fd/${writes}`)
      expect(subject.target.flagsOf(writes, own)).toBe(O.O_WRONLY | O.O_CLOEXEC | O.O_LARGEFILE)
      for (const number of [subject.fd, other, 9999])
        expect(subject.target.flagsOf(number, own)).toBe(Fail.of(Errno.EBADF))
      closeSync(other)
      closeSync(writes)
      subject.dispose()
    })

    test('close gives up what was kept, and it is opened anew', () => {
      const worker = new ProcessHandle(process.ppid)
      const subject = realSubject()
      const pointer = subject.put(Buffer.from('before'))
      const target = new LinuxTarget(worker, process.pid, () => true)
      const open = (): number => readdirSync('/proc/self/fd').length
      const before = open()
      for (let round = 0; round < 3; round++) {
        const held = target.descriptor(subject.fd)
        expect(failed(held)).toBe(false)
        if (!failed(held)) held.close()
        expect(target.writeBytes(pointer, Buffer.from('after!'))).toBe(true)
        expect(open()).toBe(before + 2)
        target.close()
        expect(open()).toBe(before)
      }
      worker.close()
      subject.dispose()
    })

    /** A process that says something and then waits for its end. */
    const waits = (): ChildProcess =>
      spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
        stdio: ['pipe', 'ignore', 'inherit'],
        detached: true,
      })
    const end = async (child: ChildProcess): Promise<void> => {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    }

    test('a group is as near as its farthest member', async () => {
      const self = new ProcessHandle(process.pid)
      const target = new LinuxTarget(self, process.pid, () => true)
      const child = waits()
      const pid = child.pid ?? 0
      expect(target.relationToGroup(pid)).toBe('ownTree')
      const other = new ProcessHandle(pid)
      expect(new LinuxTarget(other, pid, () => true).relationToGroup(0)).toBe('ownTree')
      await end(child)
      for (const worker of [self, other]) worker.close()
    })

    // CONFIG_CHECKPOINT_RESTORE: the kernel gives the next process the number after this one.
    test.skipIf(!canChooseNumbers())(
      "whoever gets the worker's number is not the worker (skipped where no number can be chosen)",
      () => {
        const { stdout, stderr } = inOwnNumbers(`
          import { spawn } from 'node:child_process'
          import { writeFileSync } from 'node:fs'
          import { LinuxTarget } from ${JSON.stringify(built('target'))}
          import { ProcessHandle } from ${JSON.stringify(built('worker-process'))}
          const waits = () => spawn('sleep', ['3600'], { stdio: 'ignore' })
          const end = (child) => new Promise((gone) => child.once('exit', gone).kill('SIGKILL'))
          const first = waits()
          const { pid } = first
          const worker = new ProcessHandle(pid)
          const isFirst = (number) => new LinuxTarget(worker, number, () => true).isFirstThread()
          const before = [isFirst(pid), isFirst(process.pid)]
          await end(first)
          writeFileSync('${LAST_PID}', String(pid - 1))
          const next = waits()
          const after = [isFirst(pid), new LinuxTarget(worker, pid, () => true).pid() === pid]
          console.log(JSON.stringify({ before, hasNumber: next.pid === pid, after }))
          await end(next)
        `)
        expect(stderr).toBe('')
        expect(JSON.parse(stdout)).toEqual({ before: [true, false], hasNumber: true, after: [false, true] })
      },
    )

    test('a signal reaches the thread that waits, and nobody once it does not', async () => {
      const SIGPIPE = 13
      // sleep(1) handles no signal: whichever comes first ends it.
      const child = spawn('sleep', ['3600'], { stdio: 'ignore' })
      const pid = child.pid ?? 0
      const worker = new ProcessHandle(process.pid)
      const gone = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))
      const late = new LinuxTarget(worker, pid, () => false)
      late.raise(9)
      let isAsked = false
      // It stands while the thread is looked up, and no longer when the signal is to be sent.
      const interrupted = new LinuxTarget(worker, pid, () => !isAsked && (isAsked = true))
      interrupted.raise(9)
      const waiting = new LinuxTarget(worker, pid, () => true)
      waiting.raise(SIGPIPE)
      expect(await gone).toBe('SIGPIPE')
      for (const target of [late, interrupted, waiting]) target.close()
      worker.close()
    })

    test('a child is of the own tree, its parent is not', async () => {
      const child = waits()
      const pid = child.pid ?? 0
      const self = new ProcessHandle(process.pid)
      const other = new ProcessHandle(pid)
      const ofChild = new LinuxTarget(other, pid, () => true)
      expect(ofChild.relationTo(pid)).toBe('ownTree')
      // Its number is its own for as long as it waits, and no longer.
      expect(new LinuxTarget(other, pid, () => false).relationTo(pid)).toBe('exited')
      expect(ofChild.relationTo(process.pid)).not.toBe('ownTree')
      const ofSelf = new LinuxTarget(self, process.pid, () => true)
      expect(ofSelf.relationTo(pid)).toBe('ownTree')
      await end(child)
      expect(ofSelf.relationTo(pid)).not.toBe('ownTree')
      for (const worker of [self, other]) worker.close()
    })
  },
)
