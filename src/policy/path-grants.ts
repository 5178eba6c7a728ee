import { posix } from 'node:path'
import { exclusionMistake, globMistake, hasMagic, splitGlob } from './glob.js'
import { invalid, nearest, oneOf, valid, type Parsed } from './nearest.js'

/** The directories that a grant may start from. `<file>` is the directory of the test file, not the file itself. */
export const placeholders = ['root', 'workspace', 'tmp', 'home', 'file'] as const
type Placeholder = (typeof placeholders)[number]

/** A path entry as written, before any directory is known. */
export interface PathGrant {
  readonly effect: 'grant' | 'exclude'
  readonly shape: 'file' | 'tree' | 'glob'
  /** The directory that `path` starts from; `/` for an absolute one. */
  readonly anchor: Placeholder | '/'
  /** Normalised, without a trailing slash; may start with `..` and may be empty. For a glob: the fixed part. */
  readonly path: string
  /** For a glob: the rest after the fixed part. */
  readonly rest?: string
  readonly source: string
  /** The reason that the user gave. */
  readonly why?: string
}

/** The names of secrets, wherever they lie. Each is a glob for a single name, and includes everything below a match. */
export const SECRET_NAMES = [
  {
    // In picomatch, the text that `!(a)` matches may not even begin with `a`; the third pattern adds those names.
    names: [
      '.env',
      '.env.!(example|sample|template|dist|defaults)',
      '.env.@(example|sample|template|dist|defaults)[-.~_a-zA-Z0-9]*',
      '.envrc',
      '.dev.vars',
    ],
    examples: ['.env', '.env.local', '.env.example.local', '.envrc', '.dev.vars'],
    why: 'environment files hold secrets',
  },
  ...[
    {
      names: [
        '.npmrc',
        '.yarnrc.yml',
        '.netrc',
        '.pypirc',
        '.git-credentials',
        '.pgpass',
        '.htpasswd',
        '.my.cnf',
        '.sentryclirc',
        '.dockercfg',
        '.terraformrc',
        '.vault-token',
      ],
      why: 'it may hold a password or token',
    },
    {
      names: ['id_rsa', 'id_dsa', 'id_ecdsa', 'id_ed25519', 'id_ecdsa_sk', 'id_ed25519_sk'],
      why: 'a private key',
    },
    {
      names: ['.ssh', '.aws', '.azure', '.gnupg', '.kube', '.docker', '.oci', '.terraform.d', '.password-store'],
      why: 'credentials',
    },
    // Names without a pattern are their own examples.
  ].map((row) => ({ ...row, examples: row.names })),
]

/** The placeholder in `!<secrets>`: every name of a secret. */
export const SECRETS = '<secrets>'
export const SECRETS_NAME = `{${SECRET_NAMES.flatMap(({ names }) => names).join(',')}}`
export const SECRETS_GLOB = `**/${SECRETS_NAME}`

const aPath = "a path: 'dir/' for a directory with everything below it, 'file' for one file, or a glob"

/** Parses a path entry: `dir/`, `file`, a glob, `<tmp>/…`, or one of these after `!`. */
export function parsePathGrant(source: string): Parsed<PathGrant> {
  const isExclusion = source.startsWith('!')
  const sign = isExclusion ? '!' : ''
  const text = source.slice(sign.length)
  if (text === '') return invalid(isExclusion ? 'a path after the !' : aPath, source)
  if (text.startsWith(SECRETS)) return secretsOf(text, source, isExclusion)
  const mistake = mistakeIn(text, source, sign)
  if (mistake !== undefined) return mistake
  const placed = anchorOf(text, source, sign)
  return placed.ok ? shapeOf(placed.value, source, isExclusion) : placed
}

/** Parses an entry of `list`, which must be a directory: a file has no names in it. */
export function parseListGrant(source: string): Parsed<PathGrant> {
  const parsed = parsePathGrant(source)
  if (!parsed.ok || parsed.value.shape !== 'file' || parsed.value.effect === 'exclude') return parsed
  return invalid("a directory, with a slash after it: 'dir/'", source, `${source}/`)
}

function secretsOf(text: string, source: string, isExclusion: boolean): Parsed<PathGrant> {
  if (text !== SECRETS) return invalid(`${SECRETS} alone: it stands for names wherever they lie`, source, `!${SECRETS}`)
  if (!isExclusion) return invalid(`!${SECRETS}: a secret is granted by its own name`, source, `!${SECRETS}`)
  return valid(secretNamesGrant(source, 'exclude'))
}

/** A grant or exclusion of every secret name, wherever it lies. */
export function secretNamesGrant(source: string, effect: PathGrant['effect']): PathGrant {
  return { effect, shape: 'glob', anchor: '/', path: '', rest: SECRETS_GLOB, source }
}

/** A parsed entry of `exec`: a bare name is looked for along PATH, anything with a slash is a path. */
export type ExecGrant = PathGrant | (Pick<PathGrant, 'effect' | 'source' | 'why'> & { readonly program: string })

export function parseExecGrant(source: string): Parsed<ExecGrant> {
  const isExclusion = source.startsWith('!')
  const program = source.slice(isExclusion ? 1 : 0)
  const isBareName = /^[^\s/\\<>~!:\0]+$/.test(program) && !hasMagic(program) && program !== '.' && program !== '..'
  return isBareName ? valid({ program, effect: isExclusion ? 'exclude' : 'grant', source }) : parsePathGrant(source)
}

/** The placeholders for what a shell has variables for. Other names may be those of files: `$id/page.tsx`. */
const OF_VARIABLES: ReadonlyMap<string | undefined, string> = new Map([
  ['HOME', '<home>'],
  ['TMPDIR', '<tmp>'],
  ['PWD', '<root>'],
])

/** Spellings from elsewhere: Windows, a shell, a URL, another list. */
function mistakeIn(text: string, source: string, sign: string): Parsed<never> | undefined {
  if (text.includes('\0')) return invalid('a path without NUL', source)
  if (text.startsWith('!')) return invalid('a path after one single !', source, `!${text.replace(/^!+/, '')}`)
  if (text.includes('\\')) {
    const expected = 'forward slashes (a backslash separates nothing and escapes nothing)'
    return invalid(expected, source, sign + text.replaceAll('\\', '/'))
  }
  if (text.trim() !== text) return invalid('a path without blanks around it', source, sign + text.trim())
  if (text === '~' || text.startsWith('~/')) {
    return invalid('<home> instead of ~, which only a shell understands', source, `${sign}<home>/${text.slice(2)}`)
  }
  const [variable, name, inBraces] = /^\$(?:([A-Z]+)|\{([A-Z]+)\})(?=\/|$)/.exec(text) ?? []
  const meant = OF_VARIABLES.get(name ?? inBraces)
  if (variable !== undefined && meant !== undefined) {
    const rest = text.slice(variable.length + 1)
    return invalid(`${meant} instead of ${variable}, which only a shell understands`, source, `${sign}${meant}/${rest}`)
  }
  if (/^file:/i.test(text)) return invalid('a path, not a URL', source, fromFileUrl(text, sign))
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return invalid('a path, not a URL', source)
  if (/^(?:tcp|udp|unix):/.test(text)) return invalid("a path (an address belongs in 'connect' or 'listen')", source)
  return undefined
}

function fromFileUrl(text: string, sign: string): string | undefined {
  const path = text.replace(/^file:(?:\/\/[^/]*)?/i, '')
  // A stray `%` would make decodeURIComponent throw. Then there is nothing sensible to suggest.
  return /%(?![0-9a-f]{2})|%[89a-f]/i.test(path) || path === '' ? undefined : sign + decodeURIComponent(path)
}

type Placed = Pick<PathGrant, 'anchor' | 'path'>

function anchorOf(text: string, source: string, sign: string): Parsed<Placed> {
  const [, name, after = ''] = /^<([^<>/]*)>(.*)$/s.exec(text) ?? []
  if (name === undefined) {
    const misplaced = placeholders.find((one) => text.includes(`<${one}>`))
    if (misplaced !== undefined) return invalid(`<${misplaced}> at the start only`, source)
    return valid(text.startsWith('/') ? { anchor: '/', path: text.slice(1) } : { anchor: 'root', path: text })
  }
  const anchor = placeholders.find((one) => one === name)
  if (anchor === undefined) {
    const near = nearest(name, placeholders)
    return invalid(oneOf(placeholders.map((one) => `<${one}>`)), source, near && `${sign}<${near}>${after}`)
  }
  if (after === '') return invalid(`a slash after <${anchor}>, which is a directory`, source, `${sign}<${anchor}>/`)
  if (!after.startsWith('/')) return invalid(`a slash after <${anchor}>`, source, `${sign}<${anchor}>/${after}`)
  return valid({ anchor, path: after.slice(1) })
}

function shapeOf({ anchor, path }: Placed, source: string, isExclusion: boolean): Parsed<PathGrant> {
  const effect = isExclusion ? 'exclude' : 'grant'
  if (hasMagic(path)) {
    const { base, rest } = splitGlob(path)
    if (/(?:^|\/)\.\.?(?:\/|$)/.test(rest)) return invalid("no '.' or '..' after the first glob character", source)
    const tidy = rest.replace(/\/{2,}/g, '/')
    const broken = isExclusion ? exclusionMistake(tidy) : globMistake(tidy)
    if (broken !== undefined) return invalid(`a glob that can be read (${broken})`, source)
    return valid({ effect, shape: 'glob', anchor, path: tidied(base), rest: tidy, source })
  }
  const isTree = path === '' || path.endsWith('/')
  if (!isTree && /(?:^|\/)\.\.?$/.test(path)) return invalid('a slash after a directory', source, `${source}/`)
  return valid({ effect, shape: isTree ? 'tree' : 'file', anchor, path: tidied(path), source })
}

function tidied(path: string): string {
  const normal = posix.normalize(path).replace(/\/$/, '')
  return normal === '.' ? '' : normal
}
