/**
 * Characters that a terminal or an editor obeys instead of showing them: the controls of ASCII and Latin-1 (ECMA-48),
 * separators of lines and paragraphs, and characters that change the direction of text (UAX #9), which can make a line
 * look like another one.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what is being made visible
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** The text with each of those characters written as `\x1b` or `\u202e`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (char) => {
    const code = char.charCodeAt(0).toString(16)
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`
  })
}

/** JSON text with each of those characters written as `\u202e`, which means the same in JSON. */
export function visibleJson(json: string): string {
  return json.replace(UNSEEN, (char) =>
    char === '\n' ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
