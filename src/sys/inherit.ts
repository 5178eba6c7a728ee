import { readdirSync } from 'node:fs'
import { F_GETFD, F_SETFD, FD_CLOEXEC } from '../abi/fcntl.js'
import { numberOf, sys3 } from './raw.js'

const FCNTL = numberOf('fcntl')

/**
 * Makes every descriptor of this process above stderr close-on-exec, so that a child inherits only the descriptors that
 * it is given. Node does this for those that it opens; addons and the program that started Node may not. fcntl(2),
 * F_SETFD.
 */
export function closeOnExec(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name)
    if (fd <= 2) continue
    const flags = sys3(FCNTL, fd, F_GETFD)
    if (flags >= 0 && (flags & FD_CLOEXEC) === 0) sys3(FCNTL, fd, F_SETFD, flags | FD_CLOEXEC)
  }
}
