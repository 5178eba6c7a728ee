/**
 * The module tables of a process: one for each set of trees. A table is made when a worker is first born with those
 * trees, and kept as long as it holds.
 */
import { COMPILE_SLICE_MS, TRUSTED_MS } from '../limits.js'
import { addCode, mayHaveCode } from '../modules/code.js'
import { BOUNDS, Listing, type ModuleTrees } from '../modules/walk.js'
import { TableWriter } from '../modules/writer.js'
import { isDeniedIn } from '../project/module-trees.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { anotherOf, SealedMemory } from '../sys/sealed-memory.js'

export type { ModuleTrees }

/** A table for one worker. */
interface TableForWorker {
  /** A descriptor of its own, for the caller to close. */
  readonly fd: OwnedFd
  readonly size: number
  /**
   * Fills the table. Must be called before the worker looks anything up; it takes time, so call it once the worker is
   * on its way.
   */
  fill(): void
}

/** Bytes of a table. Unused ones take no memory. */
const SIZE = 40 << 20

class TableFile {
  readonly used: Set<string>
  readonly #memory = new SealedMemory('vitest-seccomp modules', SIZE)
  #listing: Listing | undefined

  #trees: ModuleTrees | undefined
  /** Modules that may have code but have none yet. */
  readonly #uncompiled: string[] = []

  /** `used`: files to begin with. */
  constructor(
    readonly find: () => ModuleTrees,
    used: Iterable<string> = [],
  ) {
    this.used = new Set(used)
  }

  get trees(): ModuleTrees {
    this.#trees ??= this.find()
    return this.#trees
  }

  isFresh(now: number): boolean {
    return this.#listing?.isFresh(nanoseconds(now)) !== false
  }

  forWorker(now: number): TableForWorker {
    return { fd: anotherOf(this.#memory.fd), size: SIZE, fill: () => this.#fill(now) }
  }

  #fill(now: number): void {
    if (this.#listing !== undefined) return
    const writer = new TableWriter(this.#memory.bytes, BOUNDS.entries)
    const listing = new Listing(this.trees, writer, nanoseconds(now), BOUNDS, isDeniedIn(this.trees))
    this.#listing = listing
    for (const path of this.used) {
      if (listing.use(path, nanoseconds(now))) this.#compileLater(path)
      else this.used.delete(path)
    }
  }

  #compileLater(path: string): void {
    if (this.#listing === undefined || this.trees.compiled !== true || !mayHaveCode(path)) return
    if (this.#uncompiled.push(path) === 1) setImmediate(() => this.#compileSome())
  }

  /** Compiles for a short time: this thread starts workers as well. */
  #compileSome(): void {
    const end = performance.now() + COMPILE_SLICE_MS
    let done = 0
    while (this.#listing !== undefined && done < this.#uncompiled.length && performance.now() < end)
      addCode(this.#uncompiled[done++] ?? '', this.#listing.table)
    this.#uncompiled.splice(0, done)
    if (this.#uncompiled.length > 0) setImmediate(() => this.#compileSome())
  }

  /** Adds all modules of the trees, as if a worker had read them. */
  learnAll(now: number): void {
    this.#listing?.listAll(nanoseconds(now))
    const modules = this.#listing?.files().filter((path) => /\.[cm]?js$/.test(path)) ?? []
    this.learn(modules, now)
  }

  /** Adds these files to the table. Every live worker sees them from here on. */
  learn(paths: Iterable<string>, now: number): void {
    for (const path of paths) {
      if (this.used.has(path)) continue
      const isHere = this.#listing === undefined || this.#listing.use(path, nanoseconds(now))
      if (!isHere) continue
      this.used.add(path)
      this.#compileLater(path)
    }
  }

  /** Marks the table as outdated: live workers ask the kernel from here on. */
  close(): void {
    this.#listing?.table.outdate()
    this.#listing = undefined
    this.#uncompiled.length = 0
    this.#memory.close()
  }
}

class ModuleTables {
  readonly #made = new Map<string, TableFile>()
  #start: TableFile | undefined
  /** The files that workers have read, of whatever tree. */
  readonly #learned = new Set<string>()
  #checked = 0
  #hasWorker = false
  /** True once a worker has begun since the last one that was alone was born. */
  #hasBegun = false

  /**
   * The table for a new worker. The first worker gets none: listing installed packages pays only if there is a second
   * one, for which the files of the first are remembered. `trees`: undefined for a worker that has none. `now`:
   * milliseconds since the epoch. `isAlone`: no other worker lives, so whatever was installed meanwhile must be seen.
   */
  tableFor(trees: ModuleTrees | undefined, now: number, isAlone: boolean): TableForWorker | undefined {
    const isFirst = !this.#hasWorker
    this.#hasWorker = true
    if (isAlone) this.#hasBegun = false
    if (trees === undefined) return undefined
    if (isAlone || now - this.#checked > TRUSTED_MS) this.#check(now)
    const key = JSON.stringify(trees)
    const table = this.#made.get(key) ?? new TableFile(() => trees, this.#learned)
    this.#made.set(key, table)
    return isFirst ? undefined : table.forWorker(now)
  }

  /**
   * Makes the table for Vitest itself while it starts. Nothing checks that it stays fresh, so it ends after a fixed
   * time.
   */
  tableForStart(trees: () => ModuleTrees, now: number): TableForWorker {
    const made = new TableFile(trees)
    const table = made.forWorker(now)
    this.#start = made
    return {
      ...table,
      fill: () => {
        table.fill()
        setTimeout(() => this.endStart(), TRUSTED_MS).unref()
        made.learnAll(now)
      },
    }
  }

  /** Ends the table of Vitest's start: Vitest asks the kernel from here on. */
  endStart(): void {
    this.#start?.close()
    this.#start = undefined
  }

  /**
   * Called when a worker is about to run tests: between its birth and its first test, a global setup may have made
   * something.
   */
  begin(now: number): void {
    if (!this.#hasBegun || now - this.#checked > TRUSTED_MS) this.#check(now)
    this.#hasBegun = true
  }

  /**
   * Trusts no table until it was checked: another run begins, and while the last worker of the one before still ends, no
   * worker is alone.
   */
  distrust(): void {
    this.#hasBegun = false
    this.#checked = -Infinity
  }

  /** Adds files that workers have read. The broker itself says that they were allowed to and did. */
  learn(paths: readonly string[], now: number): void {
    for (const path of paths) if (this.#learned.size < BOUNDS.entries) this.#learned.add(path)
    for (const made of this.#made.values()) made.learn(paths, now)
  }

  /** Lists everything again, for the workers to come, if anything has changed. */
  #check(now: number): void {
    this.#checked = now
    for (const [key, made] of this.#made) {
      if (made.isFresh(now)) continue
      made.close()
      this.#made.set(key, new TableFile(made.find, made.used))
    }
  }

  close(): void {
    this.endStart()
    for (const made of this.#made.values()) made.close()
    this.#made.clear()
    this.#learned.clear()
  }
}

function nanoseconds(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds)) * 1_000_000n
}

/** The module tables of this process. */
export const moduleTables = new ModuleTables()
