/**
 * Makes files under a worker's umask, which is not this process's. A thread that has left the process's file-system
 * state (unshare(CLONE_FS)) just sets it. Container profiles forbid unshare(2) altogether, even for this. Then the mode
 * is masked here, and bits that the process's own umask took besides are added afterwards: a file is never wider than
 * asked.
 */
import { readFileSync } from 'node:fs'
import { numberOf, sys3 } from './raw.js'

const UMASK = numberOf('umask')
const PERMISSIONS = 0o777

export type FileSystemState = 'own' | 'shared'

interface CreationMode {
  /** The mode for the call that makes the file. */
  readonly mode: number
  /** The mode bits that the file then lacks, and must be given. */
  readonly lost: number
}

export class Creation {
  constructor(readonly state: FileSystemState) {}

  modeFor(mode: number, umask: number): CreationMode {
    if (this.state === 'own') {
      sys3(UMASK, umask)
      return { mode, lost: 0 }
    }
    const wanted = mode & ~(umask & PERMISSIONS)
    return { mode: wanted, lost: wanted & processUmask() }
  }
}

/** The umask of the process: proc_pid_status(5). umask(2) would return it only by setting it, for all threads. */
function processUmask(): number {
  const [, mask] = /^Umask:\s*([0-7]+)/m.exec(readFileSync('/proc/thread-self/status', 'latin1')) ?? []
  return mask === undefined ? PERMISSIONS : Number.parseInt(mask, 8)
}
