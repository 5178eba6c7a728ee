/** The kind of an import, determined by name only: code to run, a style sheet, or a read of the file. */
import { basename } from 'node:path'

export type ImportKind =
  | { readonly is: 'code' | 'style' }
  /** `as`: the form in which the test gets the content; `url` gives only the address. */
  | { readonly is: 'read'; readonly as: 'json' | 'raw' | 'url' | 'asset' }

/** JavaScript that Node can import by itself. */
export const NATIVE = new Set(['.js', '.mjs', '.cjs'])
const SCRIPT = new Set([...NATIVE, '.jsx', '.ts', '.tsx', '.mts', '.cts'])
/** Component formats, which plugins compile to modules. */
export const COMPONENT: ReadonlySet<string> = new Set(['.vue', '.svelte', '.astro', '.mdx'])
const STYLE = new Set(['.css', '.less', '.sass', '.scss', '.styl', '.stylus', '.pcss', '.postcss', '.sss'])
const JSON_LIKE = new Set(['.json', '.json5', '.jsonc'])

/** The queries that Vite knows: src/node/constants.ts and the plugins asset, css, json, wasm, worker. */
const RAW = /[?&]raw\b/i
const URL = /[?&](?:url|no-inline)\b/i
const OTHER_READS = /[?&](?:inline|init|instance|worker|sharedworker|worklet)\b/i
/** The extension as Vite's regular expressions see it. For path.extname(), a file named `.less` has none. */
export function endingOf(file: string): string {
  return /\.[^./]*$/.exec(file)?.[0].toLowerCase() ?? ''
}

/**
 * The queries that exempt a file from being compiled. This list is as short as possible; those that make it a read are
 * matched generously.
 */
const AS_IT_IS = /^\?(?:raw|url)$/

/**
 * Names that are never code, whatever their extension: `.env`, `.env.js`. The extension decides about other dotfiles,
 * such as `.eslintrc.cjs`.
 */
const SECRET = /^\.env\b|^(?:package-lock|npm-shrinkwrap|pnpm-lock)\b/

/** Classifies an import. `extensions`: further extensions that the project's config takes for modules. */
export function classify(file: string, query: string, extensions: readonly string[] = []): ImportKind {
  const ext = endingOf(file)
  // Vite searches the complete name for these words, and a file may be named `a&raw.ts`.
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

/**
 * True for scripts, whose code runs only in the worker. A component's compiler, in contrast, is a plugin that runs in
 * Vitest's own process.
 */
export function isScript(file: string): boolean {
  return SCRIPT.has(endingOf(file))
}

/**
 * True for files that a plugin or a preprocessor compiles. Compiling may read further files or run code: Less and
 * Tailwind have `@plugin`, and Vue's templates have a language of their own. False for scripts, and for files that are
 * served unchanged.
 */
export function isCompiled(file: string, query: string): boolean {
  const ext = endingOf(file)
  if (AS_IT_IS.test(query) || SCRIPT.has(ext) || JSON_LIKE.has(ext)) return false
  return STYLE.has(ext) || COMPONENT.has(ext)
}

/**
 * True if no plugin of Vite's own reads a file with this name when it loads the module, so that only the user's plugins
 * can make a module of it. A reader that opens the file by name could be given another file than the one that was
 * judged.
 */
export function isLeftToPlugins(file: string, query: string): boolean {
  const ext = endingOf(file)
  return (
    ![RAW, URL, OTHER_READS].some((reads) => reads.test(file + query)) &&
    (ext === '' || SCRIPT.has(ext) || STYLE.has(ext))
  )
}
