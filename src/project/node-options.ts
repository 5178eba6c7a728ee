/** Parses and joins NODE_OPTIONS and execArgv: node(1). */

/**
 * Splits NODE_OPTIONS into words as Node does (src/node_options.cc, ParseNodeOptionsEnvVar): a space alone ends a word, and
 * a backslash is an escape within double quotes alone. Text that Node refuses, because a quote is left open, is split as if
 * the quote were closed at its end.
 */
export function splitNodeOptions(text: string): string[] {
  const words: string[] = []
  let isQuoted = false
  let isInWord = false
  for (let at = 0; at < text.length; at++) {
    let char = text.charAt(at)
    if (char === '\\' && isQuoted) char = text.charAt(++at)
    else if (char === '"') {
      isQuoted = !isQuoted
      continue
    } else if (char === ' ' && !isQuoted) {
      isInWord = false
      continue
    }
    words.push(isInWord ? `${words.pop() ?? ''}${char}` : char)
    isInWord = true
  }
  return words
}

/** Joins words so that Node splits them as they are here. */
export function joinNodeOptions(words: readonly string[]): string {
  return words.map((word) => (/[\s"\\]/.test(word) ? `"${word.replace(/["\\]/g, '\\$&')}"` : word)).join(' ')
}

/** An option's name as Node knows it, and its value if that is in the same word. */
export function splitOption(arg: string): [string, string | undefined] {
  if (!arg.startsWith('--')) return [arg, undefined]
  const at = arg.indexOf('=')
  const name = at < 0 ? arg : arg.slice(0, at)
  return [name.replaceAll('_', '-'), at < 0 ? undefined : arg.slice(at + 1)]
}
