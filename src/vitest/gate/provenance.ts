/**
 * The grants by which files came into a module that not every worker may read, kept with its text. A cache on disk outlives the grants by which a module was
 * made, and the module graph the worker that had it made: so each worker that gets the text is judged by what is in it. Pure.
 */

const MARK = '\n//# seccompReads='
const MARKS = /\n\/\/# seccompReads=(.*)\n/g

/** `code` with the mark: a comment that the worker does not get. The same, where nothing is to be noted. */
export function withProvenance(code: string, paths: ReadonlySet<string>): string {
  if (paths.size === 0) return code
  return `${code}${MARK}${Buffer.from(JSON.stringify([...paths])).toString('base64')}\n`
}

/** A mark that cannot be read, such as one that a module's author wrote, names no file: nobody has a grant for ''. */
export function provenanceOf(code: string): { readonly code: string; readonly paths: readonly string[] } {
  if (!code.includes(MARK)) return { code, paths: [] }
  const paths = [...code.matchAll(MARKS)].flatMap(([, text = '']) => pathsIn(text))
  return { code: code.replace(MARKS, ''), paths }
}

function pathsIn(text: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64').toString())
    if (Array.isArray(parsed) && parsed.every((path) => typeof path === 'string')) return parsed
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return ['']
}
