import { compileGlob, globMistake } from './glob.js'
import type { ParsedOptions } from './manifest.js'
import { invalid, valid, type Parsed } from './nearest.js'

/** Parses a key of `files`: a glob on the path of a test file, relative to the root. */
export function parseFileGlob(source: string): Parsed<string> {
  const expected = "a glob on a test file's path, relative to the root, such as 'test/db/**'"
  if (source === '') return invalid(expected, source)
  if (source.includes('\0')) return invalid('a glob without NUL', source)
  if (source.includes('\\')) return invalid('forward slashes', source, source.replaceAll('\\', '/'))
  const relative = source.replace(/^(?:\.\/|<root>\/)+/, '')
  if (relative !== source) return invalid(expected, source, relative === '' ? '**' : relative)
  if (/^[/!~<]/.test(source)) return invalid(expected, source)
  if (source.endsWith('/')) return invalid('a glob that matches files', source, `${source}**`)
  const mistake = globMistake(source)
  return mistake === undefined ? valid(source) : invalid(`a glob that can be read (${mistake})`, source)
}

/** The entries of `files` that apply to a test file. `testFile` is relative to the root, with forward slashes. */
export function filesFor(options: ParsedOptions, testFile: string): ParsedOptions['files'] {
  return options.files.filter(({ glob }) => compileGlob(glob)(testFile))
}
