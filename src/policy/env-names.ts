import { invalid, valid, type Parsed } from './nearest.js'

const expected = "a variable's name, such as 'CI', or a glob on names, such as 'npm_*'"

/** Parses an entry of `env.pass`. The text after a `=` may be a secret, so no message shows it. */
export function parseEnvName(source: string): Parsed<string> {
  const [name = '', ...value] = source.split('=')
  if (value.length > 0) return invalid('a name without a value, which `test.env` is for', `${name}=…`, name)
  if (/^\$\{?[\w*]+\}?$/.test(source)) return invalid(expected, source, source.replace(/[${}]/g, ''))
  if (/[,\s]/.test(source.trim())) return invalid('one name for each entry', source)
  if (source.trim() !== source) return invalid(expected, source, source.trim())
  return /^[\w*.()-]+$/.test(source) ? valid(source) : invalid(expected, source)
}

/** True if one of the entries names the variable. `*` stands for any characters. Case counts, as it does on Linux. */
export function passesEnv(entries: readonly string[], name: string): boolean {
  return entries.some((entry) => {
    const literal = entry.split('*').map((part) => part.replace(/[.()-]/g, '\\$&'))
    return new RegExp(`^${literal.join('.*')}$`, 's').test(name)
  })
}
