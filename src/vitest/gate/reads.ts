/**
 * Watches the reads and listings of Vite while it makes a module. A module's text may name files, and Vite, its plugins and their compilers read those
 * in their own ways: new URL(), url(), @import, composes, include, import.meta.glob. So it is not foretold: each read is judged as it happens.
 *
 * A compiler that reads outside of JavaScript, or in a thread of its own, is not seen here.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { resolve } from 'node:path'
import { functionsOf, nameOf, replace, type NodeFunction } from './node-fs.js'
import { withFile } from './safe-open.js'

/**
 * `noted`: not everybody may, so that each worker that gets the module is asked as well. `held`: allowed where a test may put something
 * else the next moment, so the text that the reader gets is that of exactly this real path, or of none. `violation`: refused, and told.
 */
export type ReadVerdict = 'allowed' | 'noted' | 'refused' | 'violation' | { readonly held: string }

export function isReadable(verdict: ReadVerdict): boolean {
  return verdict !== 'refused' && verdict !== 'violation'
}

export type JudgeRead = (path: string) => ReadVerdict

interface Making {
  readonly judge: JudgeRead
  /** Takes each path that `judge` said is noted. */
  readonly note: (path: string) => void
  /** Takes each path that `judge` said is a violation. */
  readonly spoil: (path: string) => void
  /** True if it is a module that is made. */
  readonly isModule: boolean
}

const making = new AsyncLocalStorage<Making>()

/** The modules of one of Vite's environments: who asked for each, and what was read for it. */
export class ModuleReads {
  readonly #asking = new Map<string, Set<JudgeRead>>()
  readonly #read = new Map<string, Set<string>>()
  readonly #spoilt = new Map<string, string>()

  /** A worker asks for a module. */
  ask(id: string, judge: JudgeRead): void {
    if (id !== ANY_MODULE) this.ask(ANY_MODULE, judge)
    const asking = this.#asking.get(id) ?? new Set()
    this.#asking.set(id, asking.add(judge))
  }

  /** It is gone. */
  leave(judge: JudgeRead): void {
    for (const [id, asking] of this.#asking) {
      asking.delete(judge)
      if (asking.size === 0) this.#asking.delete(id)
    }
  }

  /** The files that came into the module, and that not everybody may read. */
  of(id: string): ReadonlySet<string> {
    return this.#read.get(id) ?? NONE
  }

  /**
   * The file that was not to be read while the module was made. It is another module without, or none: nobody is to get it, who may read
   * that file or not, nor is a cache. Told once.
   */
  takeSpoilt(id: string): string | undefined {
    const path = this.#spoilt.get(id)
    this.#spoilt.delete(id)
    return path
  }

  /** Runs what makes a module. `otherwise`: for what Vitest itself has made, such as for a report of coverage. */
  during<T>(id: string, otherwise: JudgeRead, make: () => T): T {
    // One module may be made while another is, of which it becomes a part.
    const around = making.getStore()
    const outer = around?.isModule === true ? around : undefined
    const store: Making = {
      isModule: true,
      judge: (path) => this.#judge(id, path, outer?.judge ?? otherwise),
      note: (path) => {
        this.#read.set(id, new Set([...(this.#read.get(id) ?? []), path]))
        outer?.note(path)
      },
      spoil: (path) => {
        if (id !== ANY_MODULE) this.#spoilt.set(id, path)
        outer?.spoil(path)
      },
    }
    return making.run(store, make)
  }

  #judge(id: string, path: string, otherwise: JudgeRead): ReadVerdict {
    const judges = [...(this.#asking.get(id) ?? [])]
    const verdicts = (judges.length === 0 ? [otherwise] : judges).map((judge) => judge(path))
    return mildest(verdicts)
  }
}

function mildest(verdicts: readonly ReadVerdict[]): ReadVerdict {
  if (verdicts.includes('allowed')) return 'allowed'
  const held = verdicts.find((verdict) => typeof verdict === 'object')
  return held ?? (['noted', 'violation'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'refused'
}

/** Runs what reads for no module: the search for files that no test has imported, and what Vitest does before it asks Vite. */
export function judged<T>(judge: JudgeRead, read: () => T): T {
  return making.run({ judge, note: () => undefined, spoil: () => undefined, isModule: false }, read)
}

/** While a name is resolved. */
export const ANY_MODULE = ''
const NONE: ReadonlySet<string> = new Set()

/** The text of a setting: package.json, tsconfig.json. */
const LARGEST_HELD = 4 * 1024 * 1024

/** The real path of a file that is held; undefined for what Node may open by its name. Throws what open(2) throws where nobody may. */
function check(path: unknown): string | undefined {
  const store = making.getStore()
  const name = nameOf(path)
  if (store === undefined || name === undefined) return undefined
  const full = resolve(name)
  // The judge's own reads are not Vite's.
  const verdict = making.exit(() => store.judge(full))
  if (verdict === 'noted') store.note(full)
  if (typeof verdict === 'object') return verdict.held
  if (verdict === 'violation') store.spoil(full)
  if (verdict === 'violation' || verdict === 'refused') throw refusedRead(name)
  return undefined
}

/** As open(2) says it. */
export function refusedRead(name: string): Error {
  return Object.assign(new Error(`EACCES: permission denied, open '${name}'`), {
    code: 'EACCES',
    errno: -13,
    syscall: 'open',
    path: name,
  })
}

let isInstalled = false

/** Puts the check in front of Node's own functions: every module of this process shares them. */
export function watchReads(): void {
  if (isInstalled) return
  isInstalled = true
  const [plain, promises] = [functionsOf(fs), functionsOf(fs.promises)]
  const readFileSync = plain.readFileSync
  const readHeld = (path: string, args: readonly unknown[]): unknown =>
    withFile(path, fs.constants.O_RDONLY, (fd) => {
      if (fs.fstatSync(fd).size > LARGEST_HELD) throw refusedRead(path)
      return readFileSync?.(fd, ...args.slice(1).filter((arg) => typeof arg !== 'function'))
    })
  const openHeld: Held = (path) => {
    throw refusedRead(path)
  }
  for (const [name, held] of [
    ['readFileSync', readHeld],
    ['openSync', openHeld],
    ['createReadStream', openHeld],
    ['readdirSync', openHeld],
    ['opendirSync', openHeld],
  ] as const)
    replace(plain, name, (original) => synchronous(original, held))
  for (const [name, held] of [
    ['readFile', readHeld],
    ['open', openHeld],
    ['readdir', openHeld],
    ['opendir', openHeld],
  ] as const) {
    replace(plain, name, (original) => withCallback(original, held))
    replace(promises, name, (original) => promising(original, held))
  }
  syncBuiltinESMExports()
}

type Held = (path: string, args: readonly unknown[]) => unknown

function synchronous(original: NodeFunction, held: Held): NodeFunction {
  return function (...args) {
    const path = check(args[0])
    return path === undefined ? original.apply(this, args) : making.exit(() => held(path, args))
  }
}

function promising(original: NodeFunction, held: Held): NodeFunction {
  return async function (...args) {
    const path = check(args[0])
    return path === undefined ? original.apply(this, args) : making.exit(() => held(path, args))
  }
}

function withCallback(original: NodeFunction, held: Held): NodeFunction {
  return function (...args) {
    const callback = args.at(-1)
    if (typeof callback !== 'function') return original.apply(this, args)
    try {
      const path = check(args[0])
      if (path === undefined) return original.apply(this, args)
      return process.nextTick(
        callback,
        null,
        making.exit(() => held(path, args)),
      )
    } catch (error) {
      // postcss-modules goes on with what it got after an error, and fails where nobody waits for it.
      return process.nextTick(callback, error, '')
    }
  }
}
