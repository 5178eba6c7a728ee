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

export function make(trees: Partial<ModuleTrees> & Pick<ModuleTrees, 'roots'>, bounds: Bounds = BOUNDS): Made {
  const listing = Listing.of({ aliases: [], without: [], ...trees }, later(), bounds)
  const memory = new ArrayBuffer(1 << 20)
  const writer = new TableWriter(memory, listing.entries())
  return { listing, table: new ModuleTable(memory), writer, use: (path) => listing.use(path, writer, later()) }
}
