/**
 * Separates the modules that execArgv and NODE_OPTIONS would load before the filter, so that they are loaded after it.
 */
import { createRequire } from 'node:module'
import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { codeOf, WorkerStartError } from '../errors.js'
import { splitOption } from '../project/node-options.js'
import type { Setup } from '../protocol.js'

type Preload = Setup['preload'][number]

interface Deferred {
  readonly argv: readonly string[]
  readonly preload: readonly Preload[]
}

const REQUIRE = new Set(['--require', '-r'])
const LOADERS = new Set(['--loader', '--experimental-loader'])
/** By these, a file says what is loaded. Node 26 has the one without `experimental`. */
const CONFIG_FILES = new Set(['--config-file', '--experimental-config-file', '--experimental-default-config-file'])

/**
 * Splits the arguments. `keep`: true for modules of Vitest's own, which may be loaded early because they run in the
 * parent as well.
 */
export function deferPreloads(argv: readonly string[], cwd: string, keep: (path: string) => boolean): Deferred {
  const kept: string[] = []
  const preload: Preload[] = []
  const rest = [...argv]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [name = '', inline] = splitOption(arg)
    const kind = REQUIRE.has(name) ? 'require' : name === '--import' ? 'import' : undefined
    if (LOADERS.has(name)) {
      throw new WorkerStartError(
        'options',
        `${name} would run code before the filter; register hooks from an --import module instead`,
      )
    }
    if (CONFIG_FILES.has(name))
      throw new WorkerStartError(
        'options',
        `${name} would let a file say what runs before the filter; write its options into execArgv instead`,
      )
    if (kind === undefined) {
      kept.push(arg)
      continue
    }
    const specifier = inline ?? rest.shift() ?? ''
    const found = locate(specifier, cwd)
    if (keep(found)) kept.push(name, specifier)
    else preload.push({ kind, specifier: kind === 'import' && isAbsolute(found) ? pathToFileURL(found).href : found })
  }
  return { argv: kept, preload }
}

/**
 * Resolves a specifier as Node does, against the working directory. If it cannot be found, loading it later fails with
 * Node's own error.
 */
function locate(specifier: string, cwd: string): string {
  if (/^(?:file|data|node):/.test(specifier)) return specifier
  if (isAbsolute(specifier) || specifier.startsWith('.')) return resolve(cwd, specifier)
  try {
    return createRequire(`${cwd}/`).resolve(specifier)
  } catch (error) {
    if (codeOf(error)?.includes('NOT_FOUND') === true) return specifier
    throw error
  }
}
