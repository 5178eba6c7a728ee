/**
 * Known ways out, which a worker tries on itself before any code of the user's runs in it. If the confinement holds,
 * each is refused. They cost some microseconds each.
 */
import { openFlags } from '../abi/open-flags.js'
import { AT_FDCWD } from '../abi/path-flags.js'
import { hostArch } from './host.js'
import { OwnedFd } from './owned-fd.js'
import { numberOf, Pinned, sys3, sys6 } from './raw.js'

export interface SelfCheck {
  /** Files that exist and that no entry covers. */
  readonly paths: readonly string[]
  /** The process id of Vitest. */
  readonly parent: number
}

type EscapeKind = 'files' | 'processes' | 'powers'

/** Tries the ways out. Returns those that are open, in words: `open /etc/passwd`; empty if the confinement holds. */
export function escapes(
  { paths, parent }: SelfCheck,
  kinds: readonly EscapeKind[] = ['files', 'processes', 'powers'],
): readonly string[] {
  const tries: { readonly [kind in EscapeKind]: readonly (readonly [string, () => boolean])[] } = {
    files: [
      ...paths.map((path) => [`open ${path}`, () => opens('openat', path)] as const),
      ...paths.slice(0, 1).map((path) => [`open ${path} by openat2`, () => opens('openat2', path)] as const),
    ],
    processes: [
      ['name a process by a pidfd', () => taken(sys3(numberOf('pidfd_open'), parent, 0))],
      ['signal Vitest itself', () => sys3(numberOf('kill'), parent, 0) === 0],
    ],
    powers: [
      ['make an io_uring', () => taken(sys3(numberOf('io_uring_setup'), 1, new Pinned(120).address))],
      // ptrace(2), PTRACE_TRACEME.
      ['be traced', () => sys6(numberOf('ptrace'), 0, 0, 0, 0) === 0],
    ],
  }
  return kinds
    .flatMap((kind) => tries[kind])
    .filter(([, succeeds]) => succeeds())
    .map(([what]) => what)
}

function opens(call: 'openat' | 'openat2', path: string): boolean {
  const { O_RDONLY, O_CLOEXEC } = openFlags(hostArch())
  const name = new Pinned(path.length * 3 + 1)
  const text = name.text(Buffer.from(path, 'utf8').toString('latin1'))
  if (call === 'openat') return taken(sys6(numberOf(call), AT_FDCWD, text, O_RDONLY | O_CLOEXEC, 0))
  const how = new Pinned(24)
  how.bytes.writeUInt32LE(O_RDONLY | O_CLOEXEC, 0)
  return taken(sys6(numberOf(call), AT_FDCWD, text, how.address, how.size))
}

function taken(result: number): boolean {
  if (result < 0) return false
  new OwnedFd(result).close()
  return true
}
