/**
 * Finds a mutant's text in a source by its tokens: white space and trailing commas, which the formatter decides, count on
 * neither side.
 */

/** The characters that count, and where in the text each of them stands. */
function tokensOf(text) {
  let tokens = ''
  const at = []
  for (let index = 0; index < text.length; index++) {
    const char = text[index]
    if (/\s/.test(char) || (char === ',' && /^,\s*[)\]}]/.test(text.slice(index, index + 200)))) continue
    tokens += char
    at.push(index)
  }
  return { tokens, at }
}

const isWord = (char) => char !== undefined && /[\w$]/.test(char)

/** The places in the source that read as `find`, from their first character to behind their last. */
export function placesOf(source, find) {
  const { tokens, at } = tokensOf(source)
  const wanted = tokensOf(find).tokens
  const places = []
  for (let index = tokens.indexOf(wanted); index >= 0; index = tokens.indexOf(wanted, index + 1)) {
    const [start, end] = [at[index], at[index + wanted.length - 1] + 1]
    const isWhole = !(isWord(wanted[0]) && isWord(source[start - 1])) && !(isWord(wanted.at(-1)) && isWord(source[end]))
    if (isWhole) places.push({ start, end })
  }
  return places
}

/** The source with the mutant in it, or why it does not apply. */
export function apply(source, { find, replace }) {
  const places = placesOf(source, find)
  const [place] = places
  if (place === undefined || places.length > 1) return { problem: `its text is ${places.length} times in the source` }
  const mutated = source.slice(0, place.start) + replace.trim() + source.slice(place.end)
  return tokensOf(mutated).tokens === tokensOf(source).tokens ? { problem: 'it changes nothing' } : { mutated }
}
