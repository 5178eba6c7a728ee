/** A file system in memory: inodes, names and what an open file refers to. Knows nothing of the ports. */
import { Errno } from '../../src/abi/errno.js'
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../../src/abi/mode.js'
import { rawPath, type BytePath } from '../../src/policy/request.js'
import { Fail, failed, type Outcome } from '../../src/syscalls/outcome.js'
import type { EntryKind } from '../../src/syscalls/ports.js'

const TYPE_BITS: Readonly<Record<EntryKind, number>> = {
  directory: S_IFDIR,
  link: S_IFLNK,
  fifo: S_IFIFO,
  socket: S_IFSOCK,
  regular: S_IFREG,
  device: S_IFCHR,
}

let lastNumber = 0

export class Inode {
  readonly number = ++lastNumber
  readonly entries = new Map<string, Inode>()
  readonly xattrs = new Map<string, Uint8Array>()
  content = new Uint8Array(0)
  /** The target of a link. */
  text = ''
  /** How many names it has; a directory counts its own. */
  links = 0
  owner = 0
  group = 0
  times: Uint8Array | undefined
  readers = 0
  writers = 0
  /** A FIFO that a writer came to and left shows it to a waiting reader. */
  hadWriter = false
  /** The last name it had. */
  lastPath: string | undefined

  constructor(
    readonly kind: EntryKind,
    public permissions: number,
  ) {}

  get mode(): number {
    return TYPE_BITS[this.kind] | this.permissions
  }
}

export interface Found {
  readonly parent: Inode
  readonly name: string
  readonly inode: Inode | undefined
}

/** What a test writes to describe files: text for a file, `-> x` for a link, `fifo`, `socket`, `device`, or a mode. */
export type Sketch = { readonly [name: string]: string | Sketch }

export class Files {
  readonly root = new Inode('directory', 0o755)
  /** The number of the last file of the sketch. */
  readonly last: number

  constructor(sketch: Sketch = {}) {
    this.#fill(this.root, sketch)
    this.last = lastNumber
  }

  #fill(directory: Inode, sketch: Sketch): void {
    for (const [name, what] of Object.entries(sketch)) {
      if (typeof what !== 'string') this.#fill(this.add(directory, name, new Inode('directory', 0o755)), what)
      else if (what.startsWith('-> ')) this.add(directory, name, new Inode('link', 0o777)).text = what.slice(3)
      else if (what === 'fifo' || what === 'socket' || what === 'device')
        this.add(directory, name, new Inode(what, 0o644))
      else this.add(directory, name, new Inode('regular', 0o644)).content = Buffer.from(what, 'latin1')
    }
  }

  add(parent: Inode, name: string, inode: Inode): Inode {
    parent.entries.set(name, inode)
    inode.links++
    return inode
  }

  remove(parent: Inode, name: string): void {
    const inode = parent.entries.get(name)
    if (inode === undefined) return
    inode.lastPath = this.pathOf(inode)
    inode.links--
    parent.entries.delete(name)
  }

  /** Walks without following any link: one on the way is ELOOP. The last name may be missing. */
  find(path: BytePath): Outcome<Found> {
    const names = path.split('/').filter((name) => name !== '')
    let parent = this.root
    let inode: Inode | undefined = this.root
    let name = ''
    for (const next of names) {
      if (inode === undefined) return Fail.of(Errno.ENOENT)
      if (inode.kind === 'link') return Fail.of(Errno.ELOOP)
      if (inode.kind !== 'directory') return Fail.of(Errno.ENOTDIR)
      if (next.length > 255) return Fail.of(Errno.ENAMETOOLONG)
      parent = inode
      name = next
      inode = parent.entries.get(next)
    }
    return { parent, name, inode }
  }

  at(path: string): Inode {
    const found = this.find(rawPath(path))
    if (failed(found) || found.inode === undefined) throw new Error(`the fake has nothing at ${path}`)
    return found.inode
  }

  /** A path of an inode, however it was opened: as /proc shows it. Undefined where it has no name any more. */
  pathOf(inode: Inode, below = this.root, at = ''): string | undefined {
    if (inode === this.root) return '/'
    for (const [name, entry] of below.entries) {
      if (entry === inode) return `${at}/${name}`
      const deeper = entry.kind === 'directory' ? this.pathOf(inode, entry, `${at}/${name}`) : undefined
      if (deeper !== undefined) return deeper
    }
    return undefined
  }

  /** Everything there is, for comparing before and after: path to what it holds. */
  snapshot(inode = this.root, at = ''): Record<string, string> {
    const entries = [...inode.entries].map(([name, entry]) => this.snapshot(entry, `${at}/${name}`))
    const what = inode.kind === 'link' ? `-> ${inode.text}` : Buffer.from(inode.content).toString('latin1')
    const extra = [...inode.xattrs].map(([name, value]) => ` ${name}=${Buffer.from(value).toString('latin1')}`).join('')
    const about = `${inode.kind} ${inode.permissions.toString(8)} ${inode.owner}:${inode.group}`
    const times = inode.times === undefined ? '' : Buffer.from(inode.times).toString('hex')
    return Object.assign({ [at === '' ? '/' : at]: `${about} ${times}${extra} ${what}` }, ...entries)
  }
}
