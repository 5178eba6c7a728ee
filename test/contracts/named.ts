import type { Performed } from '../../src/syscalls/delegated.js'
import { Endpoint } from '../../src/syscalls/endpoint.js'
import { failed, type Outcome } from '../../src/syscalls/outcome.js'
import type { Place } from '../../src/syscalls/place.js'
import type { Descriptor, Kernel, NamesHeld } from '../../src/syscalls/ports.js'

/** The calls on names that are held, by places: held for the one call. */
export function named(kernel: Kernel): {
  mkdir(at: Place, mode: number, umask: number): Outcome<true>
  symlink(text: string, at: Place): Outcome<true>
  link(from: Place, to: Place): Performed
  rename(from: Place, to: Place, flags: number): Performed
  bind(fd: Descriptor, at: Place, umask: number): Outcome<true>
} {
  const holding = <T>(from: Place, to: Place, act: (names: NamesHeld) => Outcome<T>): Outcome<T> => {
    const held = kernel.hold(from, to)
    if (failed(held)) return held
    if (held === 'taken') throw new Error('another thread has the directory')
    using names = held
    return act(names)
  }
  return {
    mkdir: (at, mode, umask) => holding(at, at, ({ to }) => kernel.mkdir(to, mode, umask)),
    symlink: (text, at) => holding(at, at, ({ to }) => kernel.symlink(text, to)),
    link: (from, to) => holding(from, to, (names) => kernel.link(names)),
    bind: (fd, at, umask) => holding(at, at, ({ to }) => kernel.sockets.bind(fd, Endpoint.making(to), umask)),
    rename: (from, to, flags) => holding(from, to, (names) => kernel.rename(names, flags)),
  }
}
