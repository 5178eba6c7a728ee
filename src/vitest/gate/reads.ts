/**
 * What Vite reads while it makes a module. A module's text may name files, and Vite, its plugins and their compilers read those in
 * their own ways: new URL(), url(), @import, composes, include. So it is not foretold: each read is judged as it happens.
 *
 * A compiler that reads outside of JavaScript is not seen here.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `noted`: allowed by a grant, so that another worker that gets the module needs one as well. */
export type ReadVerdict = 'allowed' | 'noted' | 'refused'
export type JudgeRead = (path: string) => ReadVerdict

interface Making {
  readonly judge: (path: string) => boolean
}

const making = new AsyncLocalStorage<Making>()

/** The modules of one of Vite's environments: who asked for each, and what was read for it. */
export class ModuleReads {
  readonly #asking = new Map<string, Set<JudgeRead>>()
  readonly #read = new Map<string, Set<string>>()

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

  /** The files whose content came into the module by somebody's grant. */
  of(id: string): ReadonlySet<string> {
    return this.#read.get(id) ?? NONE
  }

  /** Runs what makes a module. `otherwise`: for what Vitest itself has made, such as for a report of coverage. */
  during<T>(id: string, otherwise: JudgeRead, make: () => T): T {
    return making.run({ judge: (path) => this.#judge(id, path, otherwise) }, make)
  }

  #judge(id: string, path: string, otherwise: JudgeRead): boolean {
    const judges = [...(this.#asking.get(id) ?? [])]
    const verdicts = (judges.length === 0 ? [otherwise] : judges).map((judge) => judge(path))
    if (!verdicts.includes('allowed') && verdicts.includes('noted'))
      this.#read.set(id, new Set([...(this.#read.get(id) ?? []), path]))
    return verdicts.some((verdict) => verdict !== 'refused')
  }
}

/** While a name is resolved. */
export const ANY_MODULE = ''
const NONE: ReadonlySet<string> = new Set()

/** Throws what open(2) throws where nobody may. */
function check(path: unknown): void {
  const store = making.getStore()
  if (store === undefined) return
  const name = nameOf(path)
  // The judge's own reads are not Vite's.
  if (name === undefined || making.exit(() => store.judge(resolve(name)))) return
  throw Object.assign(new Error(`EACCES: permission denied, open '${name}'`), {
    code: 'EACCES',
    errno: -13,
    syscall: 'open',
    path: name,
  })
}

/** Undefined for a descriptor, and for what Node refuses by itself. */
function nameOf(path: unknown): string | undefined {
  if (typeof path === 'string') return path
  if (Buffer.isBuffer(path)) return path.toString()
  return path instanceof URL && path.protocol === 'file:' ? fileURLToPath(path) : undefined
}

type Fs = Record<string, (this: unknown, ...args: unknown[]) => unknown>

let isInstalled = false

/** Puts the check in front of Node's own functions: every module of this process shares them. */
export function watchReads(): void {
  if (isInstalled) return
  isInstalled = true
  const [plain, promises] = [functionsOf(fs), functionsOf(fs.promises)]
  for (const name of ['readFileSync', 'openSync', 'createReadStream']) {
    replace(
      plain,
      name,
      (original) =>
        function (...args) {
          check(args[0])
          return original.apply(this, args)
        },
    )
  }
  for (const name of ['readFile', 'open']) {
    replace(
      plain,
      name,
      (original) =>
        function (...args) {
          const callback = args.at(-1)
          try {
            check(args[0])
          } catch (error) {
            if (typeof callback !== 'function') throw error
            return process.nextTick(callback, error)
          }
          return original.apply(this, args)
        },
    )
    replace(
      promises,
      name,
      (original) =>
        async function (...args) {
          check(args[0])
          return original.apply(this, args)
        },
    )
  }
  syncBuiltinESMExports()
}

/** Node's types have each function's own; here they are all alike. */
function functionsOf(module: unknown): Fs {
  return module as Fs
}

function replace(of: Fs, name: string, by: (original: Fs[string]) => Fs[string]): void {
  const original = of[name]
  if (original === undefined) throw new TypeError(`this Node has no fs.${name}`)
  const made = by(original)
  for (const key of ['name', 'length'] as const)
    Object.defineProperty(made, key, { value: original[key], configurable: true })
  // What promisify() and others keep on a function.
  for (const key of Object.getOwnPropertySymbols(original))
    Object.defineProperty(made, key, Object.getOwnPropertyDescriptor(original, key) ?? {})
  of[name] = made
}
