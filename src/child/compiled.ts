/**
 * Loads the CommonJS modules of the table from their compiled code.
 *
 * Node has no place where its loader could be given such code, so for these modules `Module.prototype._compile` is
 * another function. It lets Node's own do everything else: that one compiles a text that only returns its arguments,
 * among them the module's `require`. The module then runs below a frame that reads as Node's own frame does there.
 */
import Module from 'node:module'
import { Script } from 'node:vm'
import { canUseCode, importOnce, mayHaveCode, moduleWith } from '../modules/code.js'
import type { ModuleTable } from '../modules/table.js'
import { withoutWarnings } from './without-warnings.js'

type Compile = (this: LoadedModule, content: string, filename: string, format?: string) => unknown

/** The undocumented parts of a module: lib/internal/modules/cjs/loader.js. */
interface LoadedModule {
  _compile: Compile
  readonly filename?: unknown
  [executing: symbol]: boolean
}

/** A call for `Reflect.apply`, and what is to be done after it. */
interface Prepared {
  readonly run: (...args: never) => unknown
  readonly self: unknown
  readonly args: ArrayLike<unknown>
  readonly done: () => void
}

const LOADER = 'node:internal/modules/cjs/loader'
const RETURN_ARGUMENTS = 'return arguments'
/** Options under which modules are compiled here: code that was kept lacks what a debugger or source maps need. */
const NEEDS_COMPILING = /--(inspect|enable[-_]source[-_]maps)/

const { apply, defineProperty } = Reflect

/** Puts an accessor in the place of `_compile`. Called once, before anything of the user's is loaded. */
export function compileFrom(table: ModuleTable): void {
  if (!canUseCode) return
  const given = [process.env.NODE_OPTIONS ?? '', ...process.execArgv].join(' ')
  if (NEEDS_COMPILING.test(given) || process.env.NODE_V8_COVERAGE !== undefined) return
  // The cast: @types/node leaves out what is not documented. `frameOf` finds out if it is there.
  const prototype = Module.prototype as unknown as LoadedModule
  const original = prototype._compile
  const frame = frameOf(original)
  if (frame === undefined) return
  withoutWarnings(importOnce)
  const { isSet: isWrapperSet } = watchWrapper()
  let isCodeRefused = false

  const prepare = (module: LoadedModule, args: Parameters<Compile>): Prepared => {
    const [content, filename, format] = args
    const known = format === undefined || format === 'commonjs' ? table.codeOf(filename) : undefined
    if (known === undefined || table.text(known.content) !== content)
      return { run: original, self: module, args, done: () => {} }
    const { run, isCodeUsed } = moduleWith(content, filename, known.code)
    isCodeRefused ||= !isCodeUsed
    // The cast: the text returns them.
    const handed = apply(original, module, [RETURN_ARGUMENTS, filename, format]) as ArrayLike<unknown>
    // import() of a module that is running is an error: getModuleJobForRequire, lib/internal/modules/esm/loader.js.
    const mark = (isRunning: boolean): void => {
      if (frame.executing !== undefined) module[frame.executing] = isRunning
    }
    mark(true)
    return { run, self: handed[0], args: handed, done: () => mark(false) }
  }
  const compile = standIn(frame, prepare)

  const isServed = (module: LoadedModule | undefined): boolean =>
    typeof module?.filename === 'string' &&
    mayHaveCode(module.filename) &&
    !isCodeRefused &&
    !isWrapperSet() &&
    process.sourceMapsEnabled !== true &&
    table.codeOf(module.filename) !== undefined
  // In a stack, a function without a name has that of the property that holds it, but not if an accessor returns it.
  for (const one of [original, compile]) defineProperty(one, 'name', { value: '_compile', configurable: true })
  defineProperty(prototype, '_compile', {
    get(this: LoadedModule | undefined) {
      return isServed(this) ? compile : original
    },
    // As if it were a plain property: compilers of other languages set it.
    set(this: LoadedModule, value: unknown) {
      defineProperty(this, '_compile', { value, writable: true, enumerable: true, configurable: true })
    },
    enumerable: true,
    configurable: true,
  })
}

/** The place in Node's loader from which it runs a module, and the symbol by which it marks one that runs. */
interface LoaderFrame {
  readonly line: number
  readonly column: number
  readonly executing: symbol | undefined
}

/** Has Node's own loader run a module that returns its stack. Undefined if the frame is not the expected one. */
function frameOf(original: Compile): LoaderFrame | undefined {
  const filename = '/probe.js'
  const probe = new Module(filename)
  // The cast: as that of the prototype.
  const stack = String(apply(original, probe as unknown as LoadedModule, ['return new Error().stack', filename]))
  const found = /\n.*\n *at Module\._compile \(node:internal\/modules\/cjs\/loader:(\d+):(\d+)\)/.exec(stack)
  if (found === null) return undefined
  const executing = Object.getOwnPropertySymbols(probe).find(({ description }) => description === 'kIsExecuting')
  return { line: Number(found[1]), column: Number(found[2]), executing }
}

/** The function for `_compile`, whose frame in a stack reads as `frame`. */
function standIn({ line, column }: LoaderFrame, prepare: (...args: never) => Prepared): Compile {
  const text = `(function (prepare, apply) {
return function (content, filename, format) {
const { run, self, args, done } = prepare(this, [content, filename, format])
const result =
${' '.repeat(column - 1)}apply(run, self, args)
done()
return result
}
})`
  const before = text.slice(0, text.indexOf('apply(run')).split('\n').length
  const made: unknown = new Script(text, { filename: LOADER, lineOffset: line - before }).runInThisContext()
  // The casts: of the text above.
  return apply(made as () => unknown, undefined, [prepare, apply]) as Compile
}

/** Notices whether somebody replaces the text that Node puts around modules: then Node compiles them all by it. */
function watchWrapper(): { readonly isSet: () => boolean } {
  let isTouched = false
  const { wrap } = Module
  const wrapper = Object.getOwnPropertyDescriptor(Module, 'wrapper')
  if (wrapper?.get !== undefined && wrapper.set !== undefined) {
    const { get, set } = wrapper
    defineProperty(Module, 'wrapper', {
      ...wrapper,
      get: () => {
        isTouched = true
        return apply(get, Module, [])
      },
      set: (value) => {
        isTouched = true
        apply(set, Module, [value])
      },
    })
  }
  return { isSet: () => isTouched || Module.wrap !== wrap }
}
