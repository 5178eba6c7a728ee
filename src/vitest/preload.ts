/** What execArgv and NODE_OPTIONS would load before the filter: taken out, and loaded after it. */
import { createRequire } from 'node:module'
import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { codeOf, WorkerStartError } from '../errors.js'
import type { Setup } from '../protocol.js'

type Preload = Setup['preload'][number]

export interface Deferred {
  readonly argv: readonly string[]
  readonly preload: readonly Preload[]
}

const REQUIRE = new Set(['--require', '-r'])
const LOADERS = new Set(['--loader', '--experimental-loader'])

/** `keep`: modules of Vitest's own may be loaded early; they run in the parent as well. */
export function deferPreloads(argv: readonly string[], cwd: string, keep: (path: string) => boolean): Deferred {
  const kept: string[] = []
  const preload: Preload[] = []
  const rest = [...argv]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [name = '', inline] = splitOnce(arg)
    const kind = REQUIRE.has(name) ? 'require' : name === '--import' ? 'import' : undefined
    if (LOADERS.has(name)) {
      throw new WorkerStartError(
        'options',
        `${name} would run code before the filter; register hooks from an --import module instead`,
      )
    }
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

/** NODE_OPTIONS: words, with double quotes and backslashes as in node(1). */
export function splitNodeOptions(text: string): string[] {
  const words = text.match(/(?:[^\s"\\]|\\.|"(?:[^"\\]|\\.)*")+/g) ?? []
  return words.map((word) => word.replace(/"((?:[^"\\]|\\.)*)"/g, '$1').replace(/\\(.)/g, '$1'))
}

export function joinNodeOptions(words: readonly string[]): string {
  return words.map((word) => (/[\s"\\]/.test(word) ? `"${word.replace(/["\\]/g, '\\$&')}"` : word)).join(' ')
}

function splitOnce(arg: string): [string, string | undefined] {
  const at = arg.indexOf('=')
  return at < 0 || !arg.startsWith('--') ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)]
}

/** As Node resolves it: against the working directory. What cannot be found fails where it is loaded, with Node's words. */
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
