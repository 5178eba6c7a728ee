/** Descriptors of the fakes: open descriptions that several numbers may share, and a ledger of what was not closed. */
import { rawPath, type BytePath } from '../../src/policy/request.js'
import type { TargetDescriptor } from '../../src/syscalls/ports.js'
import type { Files, Inode } from './fake-files.js'
import type { FakeSocket } from './fake-sockets.js'

/** What open(2) calls an open file description. */
export interface Description {
  /** Undefined for what never had a path. */
  readonly inode: Inode | undefined
  /** What the thing is, where it has no path: `pipe:[5]`, `anon_inode:[eventfd]`. */
  readonly label: string
  readonly socket: FakeSocket | undefined
  flags: number
  /** Where it was opened, for an inode that has lost its name. */
  readonly openedAt: string
  users: number
}

export function description(parts: Partial<Omit<Description, 'users'>>): Description {
  return { inode: undefined, label: '', socket: undefined, flags: 0, openedAt: '', ...parts, users: 0 }
}

/** As /proc/<pid>/fd shows it. */
export function textOf(files: Files, { inode, label, openedAt }: Description): BytePath {
  if (inode === undefined) return rawPath(label)
  return rawPath(files.pathOf(inode) ?? `${inode.lastPath ?? openedAt} (deleted)`)
}

export class FakeFd implements TargetDescriptor {
  readonly duplicate = true
  #isOpen = true

  constructor(
    readonly ledger: Ledger,
    readonly description: Description,
  ) {
    ledger.live.add(this)
    description.users++
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.ledger.live.delete(this)
    this.ledger.onClose(this.description)
  }
}

/** All descriptors of the broker's that are open now. */
export class Ledger {
  readonly live = new Set<FakeFd>()

  constructor(readonly onClose: (description: Description) => void) {}
}
