/** The worker's first process, held by descriptors, so that the broker notices if another process gets its number. */
import { Errno } from '../abi/errno.js'
import { openFlags } from '../abi/open-flags.js'
import { AT_FDCWD } from '../abi/path-flags.js'
import { hostArch } from './host.js'
import { OwnedFd } from './owned-fd.js'
import { killProcess } from './pidfd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

const N = {
  openat: numberOf('openat'),
  pidfd_open: numberOf('pidfd_open'),
  pidfd_send_signal: numberOf('pidfd_send_signal'),
}
const O = openFlags(hostArch())

const MEM = new Pinned(8)
MEM.text('mem')

interface ProcessDescriptors {
  /** pidfd_open(2): refers to this process even after another has its number. */
  readonly pidfd: OwnedFd
  /**
   * `/proc/<pid>`: a file opened beneath it is this process's, or the open fails with ESRCH (fs/proc/base.c,
   * get_proc_task).
   */
  readonly directory: OwnedFd
}

/**
 * Descriptors that name the worker's process. A process id names the process that has it now; these descriptors name
 * the one that had it when they were opened. A worker that has ended and was reaped is `exited` here, even if another
 * process has its number.
 */
export class ProcessHandle {
  readonly #held: ProcessDescriptors | undefined
  #memory: OwnedFd | undefined

  constructor(readonly pid: number) {
    this.#held = hold(pid)
  }

  get pidfd(): OwnedFd | undefined {
    return this.#held?.pidfd
  }

  get directory(): OwnedFd | undefined {
    return this.#held?.directory
  }

  /**
   * The process's memory. The descriptor is kept, and stays with the address space that it was opened for
   * (proc_pid_mem(5)). Once that is gone, by exit or execve(2), nothing is written any more, and `forgetMemory` makes
   * the next call open the current one.
   */
  get memory(): OwnedFd | undefined {
    if (this.#memory !== undefined || this.#held === undefined) return this.#memory
    const fd = sys6(N.openat, this.#held.directory.number, MEM.address, O.O_RDWR | O.O_CLOEXEC, 0)
    if (fd >= 0) this.#memory = new OwnedFd(fd)
    return this.#memory
  }

  forgetMemory(): void {
    this.#memory?.close()
    this.#memory = undefined
  }

  /** True if the process has not been reaped, so that its number is its own. */
  ownsNumber(): boolean {
    if (this.#held === undefined) return false
    const sent = sys6(N.pidfd_send_signal, this.#held.pidfd.number, 0, 0, 0)
    return sent === 0 || sent === -Errno.EPERM
  }

  /** Ends it, and nobody who has its number by now. */
  kill(): void {
    if (this.#held !== undefined) killProcess(this.#held.pidfd)
  }

  close(): void {
    this.forgetMemory()
    this.#held?.pidfd.close()
    this.#held?.directory.close()
  }
}

function hold(pid: number): ProcessDescriptors | undefined {
  const opened = sys3(N.pidfd_open, pid, 0)
  if (opened < 0) return undefined
  const pidfd = new OwnedFd(opened)
  const path = new Pinned(64).text(`/proc/${pid}`)
  const directory = sys6(N.openat, AT_FDCWD, path, O.O_PATH | O.O_DIRECTORY | O.O_CLOEXEC, 0)
  if (directory >= 0) return { pidfd, directory: new OwnedFd(directory) }
  pidfd.close()
  return undefined
}
