/** The kind of an import: code to run, a style sheet, or a read of the file. By its name alone. */
import { basename } from 'node:path'

export type ImportKind =
  | { readonly is: 'code' | 'style' }
  /** `as`: how the file's content comes to the test; `url` gives its address only. */
  | { readonly is: 'read'; readonly as: 'json' | 'raw' | 'url' | 'asset' }

/** JavaScript that Node can import by itself. */
export const NATIVE = new Set(['.js', '.mjs', '.cjs'])
const SCRIPT = new Set([...NATIVE, '.jsx', '.ts', '.tsx', '.mts', '.cts'])
/** Components, which plugins turn into modules. */
export const COMPONENT: ReadonlySet<string> = new Set(['.vue', '.svelte', '.astro', '.mdx'])
const STYLE = new Set(['.css', '.less', '.sass', '.scss', '.styl', '.stylus', '.pcss', '.postcss', '.sss'])
const JSON_LIKE = new Set(['.json', '.json5', '.jsonc'])

/** Vite: src/node/constants.ts and the plugins asset, css, json, wasm, worker. */
const RAW = /[?&]raw\b/i
const URL = /[?&](?:url|no-inline)\b/i
const OTHER_READS = /[?&](?:inline|init|instance|worker|sharedworker|worklet)\b/i
/** The ending as Vite's expressions see it: to path.extname(), a file called `.less` has none. */
export function endingOf(file: string): string {
  return /\.[^./]*$/.exec(file)?.[0].toLowerCase() ?? ''
}

/** The queries that excuse a file from being compiled: as few as can be, where those that make it a read are taken generously. */
const AS_IT_IS = /^\?(?:raw|url)$/

/** Never code, whatever the ending: `.env`, `.env.js`. Another dotfile is what its ending says, such as `.eslintrc.cjs`. */
const SECRET = /^\.env\b|^(?:package-lock|npm-shrinkwrap|pnpm-lock)\b/

/** `extensions`: what the project's own config takes for a module, beside these. */
export function classify(file: string, query: string, extensions: readonly string[] = []): ImportKind {
  const ext = endingOf(file)
  // Vite looks for these in the whole name: a file may be called `a&raw.ts`.
  const id = file + query
  if (OTHER_READS.test(id)) return { is: 'read', as: 'asset' }
  if (RAW.test(id)) return { is: 'read', as: 'raw' }
  if (URL.test(id)) return { is: 'read', as: 'url' }
  if (SECRET.test(basename(file))) return { is: 'read', as: 'asset' }
  if (JSON_LIKE.has(ext)) return { is: 'read', as: 'json' }
  if (STYLE.has(ext)) return { is: 'style' }
  const isCode = SCRIPT.has(ext) || COMPONENT.has(ext) || extensions.includes(ext)
  return isCode ? { is: 'code' } : { is: 'read', as: 'asset' }
}

/** Scripts of which nothing runs but in the worker. A component's compiler is a plugin of the user's. */
export function isScript(file: string): boolean {
  return SCRIPT.has(endingOf(file))
}

/**
 * True for files that a plugin or a preprocessor compiles, which may read further files or run them: Less and Tailwind have `@plugin`, Vue's
 * templates a language of their own. All but scripts, and what is handed over as it is.
 */
export function isCompiled(file: string, query: string): boolean {
  const ext = endingOf(file)
  if (AS_IT_IS.test(query) || SCRIPT.has(ext) || JSON_LIKE.has(ext)) return false
  return STYLE.has(ext) || COMPONENT.has(ext)
}

/**
 * True if no plugin of Vite's own reads a file of this name as it loads it: what comes of it then, a plugin of the user's has
 * made. Whoever reads by name can be shown another file than the one that was judged.
 */
export function isLeftToPlugins(file: string, query: string): boolean {
  const ext = endingOf(file)
  return (
    ![RAW, URL, OTHER_READS].some((reads) => reads.test(file + query)) &&
    (ext === '' || SCRIPT.has(ext) || STYLE.has(ext))
  )
}
