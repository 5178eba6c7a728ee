import picomatch from 'picomatch'
import { foldName, foldPath, foldText, hasAlias, mayBeAlias } from './fold.js'

// `flags: 's'`: without it, a directory whose name contains a line feed would slip past `**`, and so past an exclusion.
// `fastpaths: false`: by these, `*.*` would not match a name that ends with a dot.
const options = {
  dot: true,
  nonegate: true,
  windows: false,
  strictBrackets: true,
  fastpaths: false,
  expandRange: noRange,
  flags: 's',
  debug: true,
} as const

const magic = /[*?[\]{}]|[@+!]\(/

/** True if text contains glob characters: `* ? [ ] { }` or an extended group such as `@(a|b)`. */
export function hasMagic(text: string): boolean {
  return magic.test(text)
}

/** Splits a relative or absolute glob before its first segment with glob characters. */
export function splitGlob(glob: string): { readonly base: string; readonly rest: string } {
  const segments = glob.split('/')
  const first = segments.findIndex(hasMagic)
  const base = segments.slice(0, first).join('/')
  return { base: base === '' && glob.startsWith('/') ? '/' : base, rest: segments.slice(first).join('/') }
}

/** Matches the part of a path below the glob's base; `''` is the base itself. */
type GlobMatcher = (below: string) => boolean

/** Throws a SyntaxError for a glob that does not compile, so that none can silently match nothing. */
export function compileGlob(rest: string): GlobMatcher {
  // A glob with a trailing slash means the tree at each match, as it does for a literal path.
  return rest.endsWith('/') ? compileTreeGlob(rest) : matcherOf(rest)
}

/** The mistake in a glob, if there is one. */
export function globMistake(rest: string): string | undefined {
  try {
    compileGlob(rest)
    return undefined
  } catch (error) {
    // picomatch advises escaping, which entries do not support.
    return error instanceof Error ? error.message.replace(/ - use .*/, '') : String(error)
  }
}

/**
 * The mistake in the glob of an exclusion, if there is one. In picomatch, the text that `!(a)` matches may not begin with `a`
 * where something follows, so the exclusion would not hold for it.
 */
export function exclusionMistake(rest: string): string | undefined {
  const parts = rest.match(PARTS) ?? []
  const at = parts.findIndex((part, index) => part === '!' && parts[index + 1] === '(')
  if (at < 0) return globMistake(rest)
  let depth = 0
  const after = parts.slice(at + 1)
  const end = after.findIndex((part) => (depth += part === '(' ? 1 : part === ')' ? -1 : 0) === 0)
  const isAtEnd = end >= 0 && /^(?:\/\*\*)?\/*$/.test(after.slice(end + 1).join(''))
  return isAtEnd ? globMistake(rest) : '!(…) is at the end of an exclusion only'
}

/** Compiles a glob that also covers everything below a match, with or without a trailing slash. */
export function compileTreeGlob(rest: string, inCase: Case = 'as written'): GlobMatcher {
  const trunk = rest.replace(/\/+$/, '')
  const [itself, below] = [matcherOf(trunk, inCase), matcherOf(`${trunk}/**`, inCase)]
  // Each parent directory is tested as well: in picomatch, the text that `!(a)` matches may not be followed by an `a`.
  return (path) => itself(path) || below(path) || directoriesOf(path).some(itself)
}

/** Compiles an exclusion: the tree at each match, under every name that some file system takes for a match. */
export function compileExclusionGlob(rest: string): GlobMatcher {
  // What is below a match is excluded anyway, and behind a `!(a)` it would have to begin with another letter.
  const trunk = rest.includes('!(') ? rest.replace(/(?:\/\*\*)?\/*$/, '') : rest
  const exactly = compileTreeGlob(trunk)
  const folded = compileTreeGlob(foldedGlob(trunk), 'in any case')
  return (below) => exactly(below) || folded(foldPath(below)) || hasAlias(below)
}

/** How many directories are remembered, and up to which length: paths have them in common. */
const MOST_DIRECTORIES = 256
const LONGEST_DIRECTORY = 512

/**
 * Compiles an exclusion of a name at any depth, and of what is below it. Every path of a project is held against the
 * names of secrets, so this one looks at each directory once, not at the whole path several times. `name`: a glob that
 * matches within a segment, and never an empty one.
 */
export function compileNameExclusion(name: string): GlobMatcher {
  const exactly = matcherOf(name)
  const folded = matcherOf(foldedGlob(name), 'in any case')
  const isExcluded = (own: string): boolean => exactly(own) || folded(foldName(own)) || mayBeAlias(own)
  const known = new Map<string, boolean>()
  const isIn = (directory: string): boolean => {
    const found = known.get(directory)
    if (found !== undefined) return found
    const isOne = directory.split('/').some(isExcluded)
    if (directory.length > LONGEST_DIRECTORY) return isOne
    if (known.size >= MOST_DIRECTORIES) known.clear()
    known.set(directory, isOne)
    return isOne
  }
  return (below) => {
    const end = below.lastIndexOf('/')
    return (end > 0 && isIn(below.slice(0, end))) || isExcluded(below.slice(end + 1))
  }
}

/**
 * The glob for folded names, without accents and the like. A character that would fold to a glob character becomes `?`.
 */
function foldedGlob(rest: string): string {
  return rest.replace(/[^\x00-\x7f]/gu, (char) => {
    const plain = foldText(char)
    return hasMagic(plain) || /[()!@+|/]/.test(plain) ? '?' : plain
  })
}

/** The directories of a path: `a` and `a/b` for `a/b/c`. */
function directoriesOf(path: string): string[] {
  const names = path.split('/')
  return names.slice(1).map((_, at) => names.slice(0, at + 1).join('/'))
}

/**
 * Compiles a test whether a match may lie below a directory, given as for a `GlobMatcher`: the directory's segments
 * must match the glob's as far as both go. A segment that spans several (a double star, a group with a slash in it)
 * matches anything.
 */
export const compileAboveGlob = remembered((rest: string): GlobMatcher => {
  const segments = segmentsOf(rest.replace(/\/+$/, ''))
  const open = segments.findIndex((segment) => segment.includes('**') || segment.includes('/'))
  const fixed = (open < 0 ? segments : segments.slice(0, open)).map((segment) => matcherOf(segment))
  return (below) => {
    const names = below === '' ? [] : below.split('/')
    // A path with as many segments as the glob would be a match itself, not a directory above one.
    if (open < 0 && names.length >= segments.length) return false
    return names.every((name, at) => fixed[at]?.(name) ?? true)
  }
})

/** Splits a glob at the slashes outside groups. */
export function segmentsOf(glob: string): string[] {
  const segments = ['']
  let depth = 0
  for (const char of glob) {
    if ('{[('.includes(char)) depth++
    if ('}])'.includes(char)) depth--
    if (char === '/' && depth <= 0) segments.push('')
    else segments.push((segments.pop() ?? '') + char)
  }
  return segments
}

/**
 * Globs that are remembered: a policy is compiled for each test file, mostly from the same ones. Beyond this many, all
 * are dropped.
 */
const MOST = 1000

function remembered<T>(make: (glob: string) => T): (glob: string) => T {
  const known = new Map<string, T>()
  return (glob) => {
    const before = known.get(glob)
    if (before !== undefined) return before
    const made = make(glob)
    if (known.size >= MOST) known.clear()
    known.set(glob, made)
    return made
  }
}

type Case = 'as written' | 'in any case'

const matchers = {
  'as written': remembered((glob) => compileMatcher(glob, options)),
  'in any case': remembered((glob) => compileMatcher(glob, { ...options, flags: 'si' })),
}

function matcherOf(glob: string, inCase: Case = 'as written'): GlobMatcher {
  return matchers[inCase](glob)
}

function compileMatcher(glob: string, how: picomatch.PicomatchOptions): GlobMatcher {
  const matches = picomatch(literally(glob), how, true)
  // By then picomatch has lost which characters it had escaped, or it takes a group for text.
  if (matches.state.backtrack) throw new SyntaxError('a repeated group whose alternatives overlap')
  // picomatch never matches an empty string, which here is the base: `src/**` covers `src`, as it does in picomatch.
  const coversBase = /^(?:\*\*\/)*\*\*$/.test(glob)
  return (below) => (below === '' ? coversBase : matches(below))
}

// Compiles the beginnings of a glob such as `**/a/b`, names at any depth: here `**/a`. A match below a directory stays a
// match wherever that directory is moved below the base, unless one of these matches the directory. For `**/name` there
// are none. Undefined for other globs. (No doc comment, because the glob would end it.)
export function compileHeads(rest: string): readonly GlobMatcher[] | undefined {
  const [first, ...names] = segmentsOf(rest.replace(/\/$/, ''))
  if (first !== '**' || names.length === 0 || names.some((name) => name.includes('**') || name.includes('/')))
    return undefined
  // What `!(a)` matches depends on what follows; a trailing slash covers what is below a match.
  if (names.length > 1 && (rest.endsWith('/') || rest.includes('!('))) return undefined
  return names.slice(1).map((_, at) => matcherOf(`**/${names.slice(0, at + 1).join('/')}`))
}

/**
 * The glob without what picomatch reads otherwise than a shell does: glob(7). It escapes characters that picomatch takes for
 * regular expression syntax, `( ) | " + ^ $`: names such as `app/(group)/page.ts` are common. Of `?` it makes `[^/]`, because
 * behind a group picomatch takes it for "once or not at all".
 */
function literally(glob: string): string {
  const open: ('group' | 'text')[] = []
  const parts =
    withoutRanges(glob)
      .replace(/\*{3,}(?!\()/g, '*')
      .match(PARTS) ?? []
  return parts
    .map((part, at) => {
      const before = parts[at - 1] ?? ''
      switch (part) {
        case '(':
          open.push(before !== '' && '?*+@!'.includes(before) ? 'group' : 'text')
          return open.at(-1) === 'group' ? part : `\\${part}`
        case ')':
          return open.pop() === 'group' ? part : `\\${part}`
        case '|':
          return open.includes('group') ? part : `\\${part}`
        case '?':
          return parts[at + 1] === '(' ? part : '[^/]'
        case '+':
          return parts[at + 1] === '(' ? part : `\\${part}`
        case '^':
        case '"':
        case '$':
          return `\\${part}`
        default:
          if (part === '[') throw new SyntaxError('Missing closing: "]"')
          return part.length > 1 ? setOf(part) : part
      }
    })
    .join('')
}

/** Sets of characters, `[…]`, and single characters. A bracket that comes first in a set stands for itself. */
const PARTS = /\[[!^]?\]?[^\]]*\]|[^]/g

/** A set as picomatch reads it. Throws a SyntaxError for one in which it reads something else. */
function setOf(set: string): string {
  if (set.includes('/')) throw new SyntaxError('a slash in brackets')
  // `[:punct:]` has the slash, and picomatch has it in each `[^[:alpha:]]`.
  if (set.includes('[:')) throw new SyntaxError('a class of characters: write [a-z] or the like')
  const [, not = '', characters = ''] = /^\[([!^]?)(.+)\]$/s.exec(set) ?? []
  const ranges = characters.replace(/(.)-(.)/gs, (range, from: string, to: string) =>
    from < '/' && to > '/' ? `${from}-.0-${to}` : range,
  )
  return `[${not === '' ? '' : '^'}${ranges}]`
}

const MOST_NUMBERS = 1000

/** A set of characters, or a range in braces of two numbers or two letters. */
const RANGES = /\[[!^]?\]?[^\]]*\]|\{(?:(0|[1-9]\d{0,8})\.\.(0|[1-9]\d{0,8})|([a-z])\.\.([a-z]))\}/gi

/** The glob with `{1..12}` and `{a..f}` written out: picomatch reads `[1-12]`, which is 1 and 2. */
function withoutRanges(glob: string): string {
  return glob.replace(RANGES, (part, from?: string, to?: string, first?: string, last?: string) => {
    if (from !== undefined && to !== undefined) return alternatives(Number(from), Number(to), String)
    if (first === undefined || last === undefined) return part
    return alternatives(first.charCodeAt(0), last.charCodeAt(0), (code) => String.fromCharCode(code))
  })
}

function alternatives(from: number, to: number, textOf: (code: number) => string): string {
  const [least, most] = [Math.min(from, to), Math.max(from, to)]
  if (most - least >= MOST_NUMBERS) throw new SyntaxError(`a range of more than ${MOST_NUMBERS}`)
  const texts = Array.from({ length: most - least + 1 }, (_, at) => textOf(least + at))
  return texts.length === 1 ? texts.join('') : `{${texts.join(',')}}`
}

function noRange(): never {
  throw new SyntaxError('a range in braces that is none of two numbers or letters')
}
