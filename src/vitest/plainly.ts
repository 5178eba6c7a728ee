/**
 * Takes back what a test, or a confined Vitest, may have told the terminal, or it could hide what is printed after its
 * end: an unfinished control string, the alternate screen, a scrolling region, concealed text, another character set.
 */
const PLAIN = '\u001b\\\u001b[?47l\u001b[!p\u001b[0m\u001b(B\u000f'

/** The text for where it goes to. */
export function plainly(text: string, place: 'terminal' | 'elsewhere'): string {
  return text === '' || place === 'elsewhere' ? text : PLAIN + text
}
