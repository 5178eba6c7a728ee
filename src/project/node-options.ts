/** Parses and joins NODE_OPTIONS and execArgv: node(1). */

/** Splits NODE_OPTIONS into words, with double quotes and backslashes as in node(1). */
export function splitNodeOptions(text: string): string[] {
  const words = text.match(/(?:[^\s"\\]|\\.|"(?:[^"\\]|\\.)*")+/g) ?? []
  return words.map((word) => word.replace(/"((?:[^"\\]|\\.)*)"/g, '$1').replace(/\\(.)/g, '$1'))
}

export function joinNodeOptions(words: readonly string[]): string {
  return words.map((word) => (/[\s"\\]/.test(word) ? `"${word.replace(/["\\]/g, '\\$&')}"` : word)).join(' ')
}

/** An option's name, and its value if that is in the same word. */
export function splitOption(arg: string): [string, string | undefined] {
  const at = arg.indexOf('=')
  return at < 0 || !arg.startsWith('--') ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)]
}
