/** What every kernel port does. Run against the fake and against the real one. */
import { expect, test } from 'vitest'
import type { Arch } from '../../src/abi/arch.js'
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../src/abi/mode.js'
import { openFlags } from '../../src/abi/open-flags.js'
import {
  AT_REMOVEDIR,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../src/abi/path-flags.js'
import { STAT, STATX } from '../../src/abi/stat-structs.js'
import { decide } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import { Fail, failed, type Outcome } from '../../src/syscalls/outcome.js'
import { Place } from '../../src/syscalls/place.js'
import type { Descriptor, Kernel } from '../../src/syscalls/ports.js'
import { named } from './named.js'
import { policyOf } from './rules.js'

/** One kernel under test. `root` is an empty directory of its own for each test. */
export interface Subject {
  readonly kernel: Kernel
  readonly root: string
  readonly arch: Arch
  /** Makes a file with this content, or reads one back, by other means than the port. */
  write(path: string, content: string): void
  read(path: string): string
}

const EVERYTHING = policyOf(['write +/'])

/** `f`, `d/` with its slash: a place below the root of the subject. */
export function placeIn({ root }: Pick<Subject, 'root'>, name: string): Place {
  const trailing = name.endsWith('/')
  const path = rawPath(`${root}/${trailing ? name.slice(0, -1) : name}`)
  const verdict = decide(EVERYTHING, { kind: 'path', access: 'write', path })
  if (!verdict.allowed) throw new Error(`not canonical: ${path}`)
  return new Place(verdict.granted, 0, trailing)
}

export function told(outcome: Outcome<unknown>): string {
  return outcome instanceof Fail ? outcome.toString() : 'ok'
}

/** The descriptor, which must be there. */
export function must<T>(outcome: Outcome<T>): T {
  if (failed(outcome)) throw new Error(`failed with ${outcome.toString()}`)
  return outcome
}

function closing<T>(outcome: Outcome<Descriptor>, use: (fd: Descriptor) => T): T {
  const fd = must(outcome)
  try {
    return use(fd)
  } finally {
    fd.close()
  }
}

/** Opens without blocking, as the handlers do, and tells how it went. */
function opening({ kernel, arch }: Subject, at: Place, flags: number, mode = 0, umask = 0): string {
  const opened = kernel.open(at, { flags: flags | openFlags(arch).O_NONBLOCK, mode, umask })
  if (!failed(opened)) opened.close()
  return told(opened)
}

function modeOf({ kernel, arch }: Subject, at: Place): number {
  return closing(kernel.handle(at, 'keep'), (fd) =>
    Buffer.from(must(kernel.stat(fd))).readUInt32LE(STAT[arch].st_mode.at),
  )
}

/** `hasAttributes`: files of the subject have user attributes. */
export function kernelContract(make: () => Subject, { hasAttributes = true } = {}): void {
  const contract = (
    name: string,
    body: (subject: Subject, at: (name: string) => Place, O: ReturnType<typeof openFlags>) => void,
    isPossible = true,
  ): void => {
    test.skipIf(!isPossible)(name, () => {
      const subject = make()
      body(subject, (path) => placeIn(subject, path), openFlags(subject.arch))
    })
  }

  contract('names: kind and link text, and nothing is followed', (subject, at) => {
    const { kernel, root } = subject
    subject.write('f', 'x')
    must(named(kernel).mkdir(at('d'), 0o755, 0))
    must(named(kernel).symlink('d', at('l')))
    must(kernel.mknod(at('p'), S_IFIFO | 0o600, 0))
    must(kernel.mknod(at('s'), S_IFSOCK | 0o600, 0))
    const kinds = ['f', 'd', 'l', 'p', 's'].map((name) => kernel.kindOf(rawPath(`${root}/${name}`)))
    expect(kinds).toEqual(['regular', 'directory', 'link', 'fifo', 'socket'])
    expect(told(kernel.kindOf(rawPath(`${root}/none`)))).toBe('ENOENT')
    expect(told(kernel.kindOf(rawPath(`${root}/f/x`)))).toBe('ENOTDIR')
    expect(kernel.linkText(rawPath(`${root}/l`))).toBe('d')
    expect(told(kernel.linkText(rawPath(`${root}/f`)))).toBe('EINVAL')
    expect(told(kernel.linkText(rawPath(`${root}/none`)))).toBe('ENOENT')
    expect(kernel.mountsOnDemand(rawPath(root))).toBe(false)
  })

  contract('names: a link that came to stand in the way is ELOOP', ({ kernel, root, write }, at) => {
    must(named(kernel).mkdir(at('d'), 0o755, 0))
    write('d/f', 'x')
    must(named(kernel).symlink('d', at('l')))
    must(named(kernel).symlink('f', at('d/l')))
    for (const name of ['l/f', 'l/none']) expect(told(kernel.kindOf(rawPath(`${root}/${name}`)))).toBe('ELOOP')
    expect(told(kernel.linkText(rawPath(`${root}/l/l`)))).toBe('ELOOP')
    expect(told(kernel.identityOf(rawPath(`${root}/l/f`)))).toBe('ELOOP')
  })

  contract('open: a symbolic link at any place is ELOOP', (subject, at, O) => {
    must(named(subject.kernel).mkdir(at('d'), 0o755, 0))
    subject.write('d/f', 'x')
    must(named(subject.kernel).symlink('d', at('l')))
    must(named(subject.kernel).symlink('d/f', at('lf')))
    expect(opening(subject, at('d/f'), O.O_RDONLY)).toBe('ok')
    for (const name of ['l/f', 'lf', 'l/']) expect(opening(subject, at(name), O.O_RDONLY)).toBe('ELOOP')
    expect(opening(subject, at('lf'), O.O_WRONLY | O.O_CREAT, 0o600)).toBe('ELOOP')
    for (const name of ['l', 'lf']) expect(opening(subject, at(name), O.O_TMPFILE | O.O_RDWR, 0o600)).toBe('ELOOP')
    expect(opening(subject, at('lf'), O.O_WRONLY | O.O_CREAT | O.O_EXCL, 0o600)).toBe('EEXIST')
    expect(told(subject.kernel.handle(at('l/f'), 'follow'))).toBe('ELOOP')
    expect(told(subject.kernel.handle(at('lf'), 'follow'))).toBe('ELOOP')
    expect(told(subject.kernel.handle(at('l/f'), 'keep'))).toBe('ELOOP')
    expect(modeOf(subject, at('lf')) & S_IFMT).toBe(S_IFLNK)
  })

  contract('open: the errnos of what is there and what is not', (subject, at, O) => {
    must(named(subject.kernel).mkdir(at('d'), 0o755, 0))
    subject.write('f', 'x')
    must(subject.kernel.mknod(at('s'), S_IFSOCK | 0o600, 0))
    const cases: [string, number, number, string][] = [
      ['none', O.O_RDONLY, 0, 'ENOENT'],
      ['none/', O.O_RDONLY, 0, 'ENOENT'],
      ['none/', O.O_CREAT | O.O_WRONLY, 0o600, 'EISDIR'],
      ['none/x', O.O_CREAT | O.O_WRONLY, 0o600, 'ENOENT'],
      ['f/', O.O_RDONLY, 0, 'ENOTDIR'],
      ['f/x', O.O_RDONLY, 0, 'ENOTDIR'],
      ['f', O.O_DIRECTORY, 0, 'ENOTDIR'],
      ['f', O.O_CREAT | O.O_EXCL | O.O_WRONLY, 0o600, 'EEXIST'],
      ['d', O.O_WRONLY, 0, 'EISDIR'],
      ['d', O.O_CREAT, 0o600, 'EISDIR'],
      ['d/', O.O_RDONLY, 0, 'ok'],
      ['s', O.O_RDONLY, 0, 'ENXIO'],
    ]
    for (const [name, flags, mode, expected] of cases) {
      expect([name, flags, opening(subject, at(name), flags, mode)]).toEqual([name, flags, expected])
    }
    expect(told(subject.kernel.open(at('d'), { flags: O.O_CREAT | O.O_DIRECTORY, mode: 0o600, umask: 0 }))).toBe(
      'EINVAL',
    )
    expect(told(subject.kernel.open(at('f'), { flags: O.O_RDONLY, mode: 0o600, umask: 0 }))).toBe('EINVAL')
    expect(told(subject.kernel.open(at('f'), { flags: O.O_PATH | O.O_CREAT, mode: 0, umask: 0 }))).toBe('EINVAL')
    expect(told(subject.kernel.open(at('d'), { flags: O.O_TMPFILE | O.O_RDONLY, mode: 0, umask: 0 }))).toBe('EINVAL')
    expect(told(subject.kernel.open(at('f'), { flags: O.O_TMPFILE | O.O_RDWR, mode: 0, umask: 0 }))).toBe('ENOTDIR')
  })

  contract('open: creates with the mode less the umask, and truncates', (subject, at, O) => {
    expect(opening(subject, at('a'), O.O_CREAT | O.O_WRONLY, 0o666, 0o027)).toBe('ok')
    expect(opening(subject, at('b'), O.O_CREAT | O.O_WRONLY, 0o666, 0o000)).toBe('ok')
    expect([modeOf(subject, at('a')), modeOf(subject, at('b'))]).toEqual([S_IFREG | 0o640, S_IFREG | 0o666])
    subject.write('f', 'content')
    expect(opening(subject, at('f'), O.O_WRONLY)).toBe('ok')
    expect(subject.read('f')).toBe('content')
    expect(opening(subject, at('f'), O.O_WRONLY | O.O_TRUNC)).toBe('ok')
    expect(subject.read('f')).toBe('')
  })

  contract('a nameless file has no link and a text that says so', (subject, at, O) => {
    const { kernel, root } = subject
    must(named(kernel).mkdir(at('d'), 0o755, 0))
    closing(kernel.open(at('d'), { flags: O.O_TMPFILE | O.O_RDWR, mode: 0o600, umask: 0 }), (fd) => {
      expect(must(kernel.facts(fd))).toEqual({ kind: 'regular', links: 0 })
      expect(must(kernel.textOf(fd)).startsWith(`${root}/d`)).toBe(true)
      expect(must(kernel.textOf(fd)).endsWith(' (deleted)')).toBe(true)
    })
    subject.write('f', 'x')
    closing(kernel.open(at('f'), { flags: O.O_RDONLY, mode: 0, umask: 0 }), (fd) => {
      expect(kernel.textOf(fd)).toBe(`${root}/f`)
      must(named(kernel).rename(at('f'), at('g'), 0))
      expect(kernel.textOf(fd)).toBe(`${root}/g`)
      must(kernel.unlink(at('g'), 0))
      expect(kernel.textOf(fd)).toBe(`${root}/g (deleted)`)
      expect(must(kernel.facts(fd)).links).toBe(0)
    })
  })

  contract('status flags are set and read; the access mode stays', (subject, at, O) => {
    const { kernel } = subject
    subject.write('f', 'x')
    closing(kernel.open(at('f'), { flags: O.O_RDWR | O.O_NONBLOCK | O.O_APPEND, mode: 0, umask: 0 }), (fd) => {
      const shown = O.O_ACCMODE | O.O_NONBLOCK | O.O_APPEND
      expect(must(kernel.statusFlags(fd)) & shown).toBe(O.O_RDWR | O.O_NONBLOCK | O.O_APPEND)
      must(kernel.setStatusFlags(fd, O.O_RDONLY | O.O_CREAT))
      expect(must(kernel.statusFlags(fd)) & shown).toBe(O.O_RDWR)
    })
    closing(kernel.handle(at('f'), 'follow'), (fd) => expect(told(kernel.setStatusFlags(fd, 0))).toBe('EBADF'))
  })

  contract('mkdir, mknod, symlink, link: new names only', (subject, at) => {
    const { kernel } = subject
    subject.write('f', 'x')
    must(named(kernel).symlink('f', at('l')))
    must(named(kernel).symlink('nowhere', at('dangling')))
    expect(told(named(kernel).mkdir(at('d'), 0o777, 0o022))).toBe('ok')
    expect(told(named(kernel).mkdir(at('e/'), 0o777, 0o077))).toBe('ok')
    expect([modeOf(subject, at('d')), modeOf(subject, at('e'))]).toEqual([S_IFDIR | 0o755, S_IFDIR | 0o700])
    expect(told(kernel.mknod(at('n'), 0o666, 0o022))).toBe('ok')
    expect(modeOf(subject, at('n'))).toBe(S_IFREG | 0o644)
    for (const name of ['f', 'd', 'l', 'dangling']) {
      expect([name, told(named(kernel).mkdir(at(name), 0o755, 0))]).toEqual([name, 'EEXIST'])
      expect([name, told(kernel.mknod(at(name), S_IFREG | 0o600, 0))]).toEqual([name, 'EEXIST'])
      expect([name, told(named(kernel).symlink('t', at(name)))]).toEqual([name, 'EEXIST'])
      expect([name, told(named(kernel).link(at('f'), at(name)))]).toEqual([name, 'EEXIST'])
    }
    expect(told(named(kernel).mkdir(at('f/x'), 0o755, 0))).toBe('ENOTDIR')
    expect(told(named(kernel).mkdir(at('none/x'), 0o755, 0))).toBe('ENOENT')
    expect(told(named(kernel).mkdir(at('l/x'), 0o755, 0))).toMatch(/ELOOP|ENOTDIR/)
    expect(told(kernel.mknod(at('new/'), S_IFREG | 0o600, 0))).toBe('ENOENT')
    expect(told(named(kernel).symlink('t', at('new/')))).toBe('ENOENT')
    expect(told(kernel.mknod(at('dir'), S_IFDIR | 0o600, 0))).toBe('EPERM')
  })

  contract('link: another name for a file, or for the link itself, never for a directory', (subject, at) => {
    const { kernel } = subject
    subject.write('f', 'x')
    must(named(kernel).mkdir(at('d'), 0o755, 0))
    must(named(kernel).symlink('f', at('l')))
    expect(told(named(kernel).link(at('f'), at('f2')))).toBe('ok')
    expect(subject.read('f2')).toBe('x')
    closing(kernel.handle(at('f'), 'keep'), (fd) => expect(must(kernel.facts(fd)).links).toBe(2))
    expect(told(named(kernel).link(at('l'), at('l2')))).toBe('ok')
    expect(modeOf(subject, at('l2')) & S_IFMT).toBe(S_IFLNK)
    expect(told(named(kernel).link(at('d'), at('d2')))).toBe('EPERM')
    expect(told(named(kernel).link(at('none'), at('n2')))).toBe('ENOENT')
  })

  contract('unlink and rmdir', (subject, at) => {
    const { kernel } = subject
    subject.write('f', 'x')
    must(named(kernel).mkdir(at('d'), 0o755, 0))
    subject.write('d/f', 'x')
    must(named(kernel).symlink('d', at('l')))
    expect(told(kernel.unlink(at('none'), 0))).toBe('ENOENT')
    expect(told(kernel.unlink(at('d'), 0))).toBe('EISDIR')
    expect(told(kernel.unlink(at('f'), AT_REMOVEDIR))).toBe('ENOTDIR')
    expect(told(kernel.unlink(at('l'), AT_REMOVEDIR))).toBe('ENOTDIR')
    expect(told(kernel.unlink(at('d'), AT_REMOVEDIR))).toBe('ENOTEMPTY')
    expect(told(kernel.unlink(at('l/f'), 0))).toBe('ELOOP')
    expect(told(kernel.unlink(at('d/f'), 0))).toBe('ok')
    expect(told(kernel.unlink(at('l'), 0))).toBe('ok')
    expect(told(kernel.unlink(at('d/'), AT_REMOVEDIR))).toBe('ok')
    expect(told(kernel.unlink(at('f'), 0))).toBe('ok')
  })

  contract('rename: replaces, refuses, exchanges', (subject, at) => {
    const { kernel } = subject
    subject.write('a', 'a')
    subject.write('b', 'b')
    must(named(kernel).mkdir(at('d'), 0o755, 0))
    must(named(kernel).mkdir(at('e'), 0o755, 0))
    subject.write('e/f', 'x')
    expect(told(named(kernel).rename(at('a'), at('b'), RENAME_NOREPLACE))).toBe('EEXIST')
    expect(told(named(kernel).rename(at('none'), at('b'), 0))).toBe('ENOENT')
    expect(told(named(kernel).rename(at('a'), at('d'), 0))).toBe('EISDIR')
    expect(told(named(kernel).rename(at('d'), at('a'), 0))).toBe('ENOTDIR')
    expect(told(named(kernel).rename(at('d'), at('e'), 0))).toBe('ENOTEMPTY')
    expect(told(named(kernel).rename(at('d'), at('d/x'), 0))).toBe('EINVAL')
    expect(told(named(kernel).rename(at('a'), at('new/'), 0))).toBe('ENOTDIR')
    expect(told(named(kernel).rename(at('a'), at('none'), RENAME_EXCHANGE))).toBe('ENOENT')
    expect(told(named(kernel).rename(at('a'), at('d'), RENAME_EXCHANGE))).toBe('ok')
    expect(modeOf(subject, at('a')) & S_IFMT).toBe(S_IFDIR)
    expect(told(named(kernel).rename(at('d'), at('b'), 0))).toBe('ok')
    expect(subject.read('b')).toBe('a')
    expect(told(named(kernel).rename(at('a'), at('new/'), 0))).toBe('ok')
    expect(told(named(kernel).rename(at('b'), at('b'), 0))).toBe('ok')
    expect(subject.read('b')).toBe('a')
  })

  contract('chmod, chown and truncate, on handles and on descriptors', (subject, at, O) => {
    const { kernel } = subject
    subject.write('f', 'content')
    must(named(kernel).symlink('f', at('l')))
    closing(kernel.handle(at('f'), 'keep'), (fd) => {
      must(kernel.chmod(fd, 0o4711))
      expect(modeOf(subject, at('f'))).toBe(S_IFREG | 0o4711)
      expect(told(kernel.chown(fd, 0xffffffff, 0xffffffff))).toBe('ok')
      expect(told(kernel.truncate(fd, -1))).toBe('EINVAL')
      expect(told(kernel.truncate(fd, 6))).toBe('ok')
      expect(subject.read('f')).toBe('conten')
    })
    closing(kernel.handle(at('l'), 'keep'), (fd) => expect(told(kernel.chmod(fd, 0o600))).toBe('EOPNOTSUPP'))
    expect(told(kernel.truncateAt(at('f'), 4))).toBe('ok')
    expect(subject.read('f')).toBe('cont')
    expect(told(kernel.truncateAt(at('f'), -1))).toBe('EINVAL')
    expect(told(kernel.truncateAt(at('none'), 1))).toBe('ENOENT')
    closing(kernel.open(at('f'), { flags: O.O_RDONLY, mode: 0, umask: 0 }), (fd) =>
      expect(told(kernel.truncate(fd, 0))).toBe('EINVAL'),
    )
  })

  contract('what is seen: stat, statx, access, readlink', (subject, at) => {
    const { kernel, arch } = subject
    subject.write('f', 'content')
    must(named(kernel).symlink('some/where', at('l')))
    closing(kernel.handle(at('f'), 'keep'), (fd) => {
      const stat = Buffer.from(must(kernel.stat(fd)))
      expect(stat.length).toBe(STAT[arch].size)
      expect(stat.readUInt32LE(STAT[arch].st_size.at)).toBe(7)
      const statx = Buffer.from(must(kernel.statx(fd, 0, 0x7ff)))
      expect(statx.readUInt16LE(STATX.stx_mode) & S_IFMT).toBe(S_IFREG)
      expect(told(kernel.statx(fd, 0, 0x80000000))).toBe('EINVAL')
      must(kernel.chmod(fd, 0o644))
      expect([0, 4, 6, 1, 5].map((mode) => told(kernel.access(fd, mode, 0)))).toEqual([
        'ok',
        'ok',
        'ok',
        'EACCES',
        'EACCES',
      ])
      expect(told(kernel.access(fd, 8, 0))).toBe('EINVAL')
      must(kernel.chmod(fd, 0o755))
      expect(told(kernel.access(fd, 1, 0))).toBe('ok')
      expect(told(kernel.readlink(fd))).toBe('EINVAL')
      expect(told(kernel.statfs(fd))).toBe('ok')
    })
    closing(kernel.handle(at('l'), 'keep'), (fd) => expect(kernel.readlink(fd)).toBe('some/where'))
  })

  contract(
    'extended attributes',
    (subject, at) => {
      const { kernel } = subject
      subject.write('f', 'x')
      closing(kernel.handle(at('f'), 'keep'), (fd) => {
        expect(told(kernel.getxattr(fd, 'user.a', 10))).toBe('ENODATA')
        expect(told(kernel.setxattr(fd, 'user.a', Buffer.from('v1'), XATTR_REPLACE))).toBe('ENODATA')
        expect(told(kernel.setxattr(fd, 'user.a', Buffer.from('value'), XATTR_CREATE))).toBe('ok')
        expect(told(kernel.setxattr(fd, 'user.a', Buffer.from('value'), XATTR_CREATE))).toBe('EEXIST')
        expect(kernel.getxattr(fd, 'user.a', 0)).toBe(5)
        expect(told(kernel.getxattr(fd, 'user.a', 3))).toBe('ERANGE')
        const value = must(kernel.getxattr(fd, 'user.a', 5))
        expect(typeof value === 'number' ? value : Buffer.from(value).toString()).toBe('value')
        const list = must(kernel.listxattr(fd, 100))
        expect(typeof list === 'number' ? list : Buffer.from(list).toString()).toContain('user.a\0')
        expect(told(kernel.removexattr(fd, 'user.a'))).toBe('ok')
        expect(told(kernel.removexattr(fd, 'user.a'))).toBe('ENODATA')
      })
      must(named(kernel).symlink('f', at('l')))
      closing(kernel.handle(at('l'), 'keep'), (fd) =>
        expect(told(kernel.setxattr(fd, 'user.a', Buffer.from('v'), 0))).toBe('EPERM'),
      )
    },
    hasAttributes,
  )

  contract('a FIFO: a writer needs a reader, a reader learns of its writer', (subject, at, O) => {
    const { kernel } = subject
    must(kernel.mknod(at('p'), S_IFIFO | 0o600, 0))
    expect(opening(subject, at('p'), O.O_WRONLY)).toBe('ENXIO')
    expect(opening(subject, at('p'), O.O_RDWR)).toBe('ok')
    closing(kernel.open(at('p'), { flags: O.O_RDONLY | O.O_NONBLOCK, mode: 0, umask: 0 }), (reader) => {
      expect(must(kernel.facts(reader)).kind).toBe('fifo')
      closing(kernel.open(at('p'), { flags: O.O_WRONLY | O.O_NONBLOCK, mode: 0, umask: 0 }), () => {
        expect(kernel.fifoHasWriter(reader)).toBe(true)
      })
      // It came and went: the reader was let go then, and now sees the end.
      expect(kernel.fifoHasWriter(reader)).toBe(true)
    })
  })

  contract('a FIFO that nobody wrote to has no writer', (subject, at, O) => {
    const { kernel } = subject
    must(kernel.mknod(at('p'), S_IFIFO | 0o600, 0))
    closing(kernel.open(at('p'), { flags: O.O_RDONLY | O.O_NONBLOCK, mode: 0, umask: 0 }), (reader) =>
      expect(kernel.fifoHasWriter(reader)).toBe(false),
    )
  })

  contract('descriptors without a path', ({ kernel }) => {
    const texts = (
      [
        { kind: 'eventfd', initial: 1, flags: 0 },
        { kind: 'epoll', flags: 0 },
        { kind: 'timerfd', clock: 1, flags: 0 },
        { kind: 'memfd', name: 'm', flags: 0 },
        { kind: 'inotify', flags: 0 },
        { kind: 'signalfd', mask: new Uint8Array(8), flags: 0 },
      ] as const
    ).map((what) => closing(kernel.anonymous(what), (fd) => must(kernel.textOf(fd))))
    expect(texts.map((text) => text.replace(/^anon_inode:/, ''))).toEqual([
      '[eventfd]',
      '[eventpoll]',
      '[timerfd]',
      '/memfd:m (deleted)',
      'inotify',
      '[signalfd]',
    ])
    const [reader, writer] = must(kernel.pipe(0))
    expect(must(kernel.textOf(reader))).toMatch(/^pipe:\[\d+\]$/)
    expect(must(kernel.textOf(reader))).toBe(must(kernel.textOf(writer)))
    expect(must(kernel.facts(reader)).kind).toBe('fifo')
    reader.close()
    writer.close()
    for (const end of must(kernel.socketpair(1))) end.close()
  })

  contract('a file that was made meanwhile is new', (subject, at) => {
    expect(told(subject.kernel.isNew(at('f')))).toBe('ENOENT')
    subject.write('f', '')
    expect(must(subject.kernel.isNew(at('f')))).toBe(true)
  })

  contract('every way on is closed by a link: nothing outside is reached', (subject, at, O) => {
    const { kernel } = subject
    must(named(kernel).mkdir(at('in'), 0o755, 0))
    must(named(kernel).mkdir(at('out'), 0o755, 0))
    subject.write('out/canary', 'alive')
    must(named(kernel).symlink('../out', at('in/l')))
    const through = at('in/l/canary')
    const outcomes = [
      kernel.open(through, { flags: O.O_RDWR | O.O_TRUNC, mode: 0, umask: 0 }),
      kernel.handle(through, 'keep'),
      kernel.unlink(through, 0),
      named(kernel).rename(through, at('in/x'), 0),
      named(kernel).rename(at('in'), at('in/l/new'), 0),
      named(kernel).link(through, at('in/x')),
      named(kernel).link(at('out/canary'), at('in/l/new')),
      named(kernel).mkdir(at('in/l/new'), 0o755, 0),
      kernel.mknod(at('in/l/new'), 0o644, 0),
      named(kernel).symlink('x', at('in/l/new')),
      kernel.truncateAt(through, 0),
    ]
    expect(outcomes.map(told)).toEqual(outcomes.map(() => 'ELOOP'))
    expect(subject.read('out/canary')).toBe('alive')
  })
}
