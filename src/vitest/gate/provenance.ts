/**
 * Notes in a module's text the files in it that needed a grant. A cache on disk outlives the grants by which a module
 * was made, and the module graph outlives the worker that requested it. So each worker that gets the text is judged by
 * the files in it. Pure.
 */

const MARK = '\n//# seccompReads='
/** A comment ends with a line of its own, unless it is the module's own and the next one begins there. */
const MARKS = /\n\/\/# seccompReads=(.*)(?:\n(?!\/\/# seccompReads=)|(?=\n))/g

/**
 * `code` with a comment that lists the files. The worker does not get the comment. Without files, `code` is unchanged.
 */
export function withProvenance(code: string, paths: ReadonlySet<string>): string {
  if (paths.size === 0) return code
  return `${code}${MARK}${Buffer.from(JSON.stringify([...paths])).toString('base64')}\n`
}

/**
 * Removes the comment and returns its files. A comment that cannot be parsed, such as one that a module's author wrote,
 * gives the file '', for which nobody has a grant.
 */
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
