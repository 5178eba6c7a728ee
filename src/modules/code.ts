/**
 * V8's compiled code for CommonJS modules, as `vm.Script.cachedData` has it.
 *
 * V8 checks that code was made by the same version with the same flags, and for a source of the same length. It does not
 * compare the source, and it trusts the code: so code belongs to the bytes that it was made from, and only the process
 * that decides may make it.
 */
import vm from 'node:vm'
import type { TableWriter } from './writer.js'

/** The parameters of the function that Node compiles a module to: `wrapper` of lib/internal/modules/cjs/loader.js. */
const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname']

/** A module as a function, and whether V8 used the code that was passed. */
interface CompiledModule {
  readonly run: (...args: readonly unknown[]) => unknown
  readonly isCodeUsed: boolean
}

const { compileFunction } = vm

/** False on Node before 20.12, whose `vm` has no way to give a function the `import()` of modules. */
export const canUseCode = typeof vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER === 'symbol'

/** V8 before 12 loses what `import()` needs in a script that it makes from code. */
const LOSES_IMPORTS = Number.parseInt(process.versions.v8, 10) < 12
const IMPORTS = /\bimport\s*[(/]/

/** True for the names that Node loads as CommonJS, if nothing else says otherwise. */
export function mayHaveCode(path: string): boolean {
  return canUseCode && /\.c?js$/.test(path)
}

/**
 * Compiles a file of the table and adds its code. Nothing of it runs. Does nothing if the table does not have its
 * content, or V8 finds no CommonJS module in it, or one that is nested too deeply.
 */
export function addCode(path: string, table: TableWriter): void {
  const source = table.textOf(path)
  // Node compiles a text without its byte order mark.
  if (source?.startsWith('\uFEFF') === true) return
  if (source === undefined || (LOSES_IMPORTS && IMPORTS.test(source))) return
  // A text that was cut out of a longer one would be written with all of it.
  const name = Buffer.from(path).toString()
  try {
    const { cachedData } = compileFunction(source, PARAMETERS, { ...optionsFor(name), produceCachedData: true })
    if (cachedData !== undefined) table.putCode(path, cachedData)
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
  }
}

/**
 * Makes an `import()` as modules with code do. Node warns of the first one in a process, that its way is experimental;
 * this is the first one.
 */
export function importOnce(): void {
  void compileFunction('return import("node:vm")', [], optionsFor('/import.js'))()
}

/** Makes a module from its source and its code. */
export function moduleWith(source: string, filename: string, code: Uint8Array): CompiledModule {
  const made = compileFunction(source, PARAMETERS, { ...optionsFor(filename), cachedData: code })
  const isCodeUsed = made.cachedDataRejected === false
  // Node's own loader leaves no such property behind.
  delete made.cachedDataRejected
  return { run: made as CompiledModule['run'], isCodeUsed }
}

function optionsFor(filename: string): vm.CompileFunctionOptions {
  return { filename, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER }
}
