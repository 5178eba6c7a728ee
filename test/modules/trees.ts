/** A directory on the disk for one case, and the table of it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ModuleTable } from '../../src/modules/table.js'
import { BOUNDS, Listing, type Bounds, type ModuleTrees } from '../../src/modules/walk.js'
import { TableWriter } from '../../src/modules/writer.js'

export class Scratch {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'modules-')))
  readonly modules = join(this.root, 'node_modules')

  constructor() {
    mkdirSync(this.modules)
  }

  /** Its path, with all directories above it. */
  place(name: string): string {
    const path = join(this.modules, name)
    mkdirSync(dirname(path), { recursive: true })
    return path
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

export interface Made {
  readonly listing: Listing
  readonly table: ModuleTable
  readonly writer: TableWriter
  use(path: string): boolean
}

/** A moment at which everything has long been as it is. */
export function later(): bigint {
  return BigInt(Date.now() + 60_000) * 1_000_000n
}

type SomeTrees = Partial<ModuleTrees> & Pick<ModuleTrees, 'roots'>

/** A table in which nothing is used yet. */
export function makeUnused(trees: SomeTrees, bounds: Bounds = BOUNDS, now = later()): Made {
  const memory = new ArrayBuffer(1 << 20)
  const writer = new TableWriter(memory, 5000)
  const listing = new Listing({ aliases: [], without: [], ...trees }, writer, now, bounds)
  return { listing, table: new ModuleTable(memory), writer, use: (path) => listing.use(path, later()) }
}

/** A table in which everything is listed. */
export function make(trees: SomeTrees, bounds: Bounds = BOUNDS, now = later()): Made {
  const made = makeUnused(trees, bounds, now)
  made.listing.listAll(now)
  return made
}
