/**
 * Watches the reads and listings of Vite while it makes a module. A module's text may name files, and Vite, its plugins
 * and their compilers read those in their own ways: new URL(), url(), @import, composes, include, import.meta.glob. So
 * reads are not predicted: each read is judged as it happens.
 *
 * A compiler that reads outside of JavaScript, or in a thread of its own, is not seen here.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { resolve } from 'node:path'
import {
  functionsOf,
  nameOf,
  replace,
  replaceBelow,
  Underway,
  withCallback as answeringBack,
  type NodeFunction,
} from './node-fs.js'
import { resolvingPart } from './package-fields.js'
import { withFile } from './safe-open.js'
import { spelled, walk } from './walk.js'

/**
 * The verdict on a read. `noted`: not everybody may read the file, so each worker that gets the module is judged as
 * well. `held`: allowed, but a test may replace the file at any moment, so the reader gets the text of exactly this
 * real path, or an error. `absent`: nothing is there, and the reader is told so, whatever a test puts there in the
 * meantime. `violation`: refused and reported.
 */
export type ReadVerdict = 'allowed' | 'noted' | 'absent' | 'refused' | 'violation' | Held

interface Held {
  readonly held: string
  /** The reader gets the whole text, or of a package.json only the fields by which names are resolved. */
  readonly as: 'whole' | 'package'
}

export function isReadable(verdict: ReadVerdict): boolean {
  return verdict !== 'absent' && verdict !== 'refused' && verdict !== 'violation'
}

export type JudgeRead = (path: string) => ReadVerdict

interface Making {
  readonly judge: JudgeRead
  /** Receives each path with the verdict `noted`. */
  readonly note: (path: string) => void
  /** Receives each path with the verdict `violation`. */
  readonly spoil: (path: string) => void
  /** True if a module is being made. */
  readonly isModule: boolean
}

const making = new AsyncLocalStorage<Making>()

/** The modules of one Vite environment: the workers that requested each, and the files that were read for it. */
export class ModuleReads {
  readonly #asking = new Map<string, Set<JudgeRead>>()
  readonly #read = new Map<string, Set<string>>()
  readonly #spoilt = new Map<string, string>()

  /** `asked` is called with each module that a worker requests. */
  constructor(readonly asked: (id: string) => void = () => undefined) {}

  /** Notes that a worker requests a module. */
  ask(id: string, judge: JudgeRead): void {
    if (id !== ANY_MODULE) {
      this.asked(id)
      this.ask(ANY_MODULE, judge)
    }
    const asking = this.#asking.get(id) ?? new Set()
    this.#asking.set(id, asking.add(judge))
  }

  /** Notes that a worker is gone. */
  leave(judge: JudgeRead): void {
    for (const [id, asking] of this.#asking) {
      asking.delete(judge)
      if (asking.size === 0) this.#asking.delete(id)
    }
  }

  /** The files in a module that not everybody may read. */
  of(id: string): ReadonlySet<string> {
    return this.#read.get(id) ?? NONE
  }

  /**
   * The file whose read was refused while the module was made. Without it, the module is another one or fails. So no
   * worker may get the result, whether or not it may read the file, and no cache may keep it. Returned only once.
   */
  takeSpoilt(id: string): string | undefined {
    const path = this.#spoilt.get(id)
    this.#spoilt.delete(id)
    return path
  }

  /**
   * Runs the code that makes a module. `otherwise` judges reads for modules that Vitest itself requests, such as for a
   * coverage report.
   */
  during<T>(id: string, otherwise: JudgeRead, make: () => T): T {
    // A module may be made while another one is made, of which it becomes a part.
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
  return held ?? (['noted', 'absent', 'violation'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'refused'
}

/**
 * Runs code that reads for no module: the search for files that no test has imported, and Vitest's own reads before it
 * calls Vite.
 */
export function judged<T>(judge: JudgeRead, read: () => T): T {
  return making.run({ judge, note: () => undefined, spoil: () => undefined, isModule: false }, read)
}

/** Runs code of this package that opens what has been judged already, by the name of its directory's descriptor. */
export function unjudged<T>(read: () => T): T {
  return making.exit(read)
}

/** The id while a name is being resolved. */
export const ANY_MODULE = ''
const NONE: ReadonlySet<string> = new Set()

/** The largest settings file: package.json, tsconfig.json. */
const LARGEST_HELD = 4 * 1024 * 1024

/**
 * The verdict on a `held` file; undefined if Node may open the file by its name. Throws the error of open(2) if the
 * read is refused.
 */
function check(path: unknown): Held | undefined {
  const store = making.getStore()
  const name = nameOf(path)
  if (store === undefined || name === undefined) return undefined
  const full = making.exit(() => fullName(name))
  // The judge's own reads are not Vite's.
  const verdict = making.exit(() => store.judge(full))
  if (verdict === 'noted') store.note(full)
  if (typeof verdict === 'object') return verdict
  if (verdict === 'violation') store.spoil(full)
  if (verdict === 'absent') throw absentRead(name)
  if (!isReadable(verdict)) throw refusedRead(name)
  return undefined
}

/** Judges a read that was made where it is not known for which module. Throws as the read itself would have done. */
export function judgeLate(path: string): void {
  check(path)
}

/** The absolute form of a name: without `..` if that leads to the same place by the same links. */
function fullName(name: string): string {
  const [full, plain] = [spelled(name), resolve(name)]
  if (!full.includes('/..')) return plain
  const [there, here] = [walk(full), walk(plain)]
  return there.real === here.real && there.links.join('\0') === here.links.join('\0') ? plain : full
}

/** The error of open(2). */
export function refusedRead(name: string): Error {
  return errorOfOpen('EACCES', -13, 'permission denied', name)
}

function absentRead(name: string): Error {
  return errorOfOpen('ENOENT', -2, 'no such file or directory', name)
}

function errorOfOpen(code: string, errno: number, text: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${text}, open '${path}'`), { code, errno, syscall: 'open', path })
}

let isInstalled = false

/** Wraps Node's own functions, which every module of this process shares, with the check. */
export function watchReads(): void {
  if (isInstalled) return
  isInstalled = true
  const [plain, promises] = [functionsOf(fs), functionsOf(fs.promises)]
  const readFileSync = plain.readFileSync
  const readHeld: ReadHeld = ({ held, as }, args) =>
    withFile(held, fs.constants.O_RDONLY, (fd) => {
      if (fs.fstatSync(fd).size > LARGEST_HELD) throw refusedRead(held)
      const how = args.slice(1).filter((arg) => typeof arg !== 'function')
      const read = readFileSync?.(fd, ...how)
      if (as === 'whole') return read
      const text = resolvingPart(String(read))
      if (text === undefined) throw refusedRead(held)
      return typeof read === 'string' ? text : Buffer.from(text)
    })
  const openHeld: ReadHeld = ({ held }) => {
    throw refusedRead(held)
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
  watchBelow(readHeld)
}

/** While a function of Node runs whose read has been judged: it calls those below before it returns. */
const judging = new Underway()

/** Watches those who copied Node's functions before they were wrapped, as Babel does when a config imports it. */
function watchBelow(readHeld: ReadHeld): void {
  replaceBelow(['open', 'openFileHandle', 'readFileUtf8', 'readdir'], (name, [path, flags]) => {
    const isWrite = typeof flags === 'number' && (flags & fs.constants.O_WRONLY) !== 0
    const verdict = judging.isOn || isWrite ? undefined : check(path)
    if (verdict === undefined) return undefined
    if (name !== 'readFileUtf8') throw refusedRead(verdict.held)
    return { result: making.exit(() => readHeld(verdict, [path, 'utf8'])) }
  })
}

type ReadHeld = (verdict: Held, args: readonly unknown[]) => unknown

function synchronous(original: NodeFunction, held: ReadHeld): NodeFunction {
  return function (...args) {
    const verdict = check(args[0])
    return verdict === undefined
      ? judging.during(() => original.apply(this, args))
      : making.exit(() => held(verdict, args))
  }
}

function promising(original: NodeFunction, held: ReadHeld): NodeFunction {
  return async function (...args) {
    const verdict = check(args[0])
    return verdict === undefined
      ? judging.during(() => original.apply(this, args))
      : making.exit(() => held(verdict, args))
  }
}

function withCallback(original: NodeFunction, held: ReadHeld): NodeFunction {
  const judged: NodeFunction = function (...args) {
    return judging.during(() => original.apply(this, args))
  }
  const answer = (args: readonly unknown[]): readonly unknown[] | undefined => {
    const verdict = check(args[0])
    return verdict === undefined ? undefined : [null, making.exit(() => held(verdict, args))]
  }
  // postcss-modules goes on with the result even after an error, and then fails where nobody waits for it.
  return answeringBack(judged, answer, [''])
}
