/**
 * docs/guide/api.md: what the package exports, with its docstrings, from the declarations that tsc wrote to dist/.
 *
 *   node scripts/docs-api.mjs [--print]      --print writes to stdout instead
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const read = (path) => readFileSync(join(root, path), 'utf8')
const { name: packageName, exports: entries } = JSON.parse(read('package.json'))

/** `export { a, type B } from './x.js'` and `export * from './y.js'`, in order. */
function exportsOf(path) {
  const text = read(path)
  const named = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)'/gm)].flatMap(([, names, from]) =>
    names
      .split(',')
      .map((name) => name.trim().replace(/^type | as \w+$/g, ''))
      .filter((name) => name !== '')
      .map((name) => ({ name, from: beside(path, from) })),
  )
  const starred = [...text.matchAll(/^export \* from '([^']+)'/gm)].flatMap(([, from]) => exportsOf(beside(path, from)))
  const own = [
    ...text.matchAll(/^export (?:declare )?(?:abstract )?(?:class|interface|function|const|type) (\w+)/gm),
  ].map(([, name]) => ({ name, from: path }))
  return [...named, ...starred, ...own]
}

const beside = (path, specifier) => join(dirname(path), specifier.replace(/\.js$/, '.d.ts'))

/** The declarations of a name (a function has one for each overload), each with what stands above it. */
function declarationsOf({ name, from }) {
  const text = read(from)
  const start = new RegExp(
    String.raw`^export (?:declare )?(?:abstract )?(?:class|interface|function|const|type) ${name}\b`,
    'gm',
  )
  const found = [...text.matchAll(start)].map(({ index }) => ({
    doc: docBefore(text, index),
    code: statementAt(text, index),
  }))
  if (found.length > 0) return found
  const [passedOn] = exportsOf(from).filter((other) => other.name === name && other.from !== from)
  if (passedOn === undefined) throw new Error(`${from} does not declare ${name}`)
  return declarationsOf(passedOn)
}

function docBefore(text, index) {
  const [, body] = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(text.slice(0, index)) ?? []
  return body === undefined
    ? ''
    : body
        .split('\n')
        .map((line) => line.replace(/^\s*\* ?/, '').trim())
        .join('\n')
        .trim()
}

/** To the first line that ends it: `}` in the first column, or a `;` where no brace is open. tsc prints declarations so. */
function statementAt(text, index) {
  const lines = text.slice(index).split('\n')
  const isBlock = lines[0].endsWith('{')
  const end = lines.findIndex((line) => (isBlock ? line.startsWith('}') : line.endsWith(';')))
  return lines
    .slice(0, end + 1)
    .join('\n')
    .replace(/^export (?:declare )?/, '')
    .replace(/^(?: {4})+/gm, (indent) => '  '.repeat(indent.length / 4))
    .replace(/;$/gm, '')
}

const isPrivate = (line) => /^\s+(?:private\b|#)/.test(line)

function section(exported) {
  const declarations = declarationsOf(exported)
  const docs = declarations.map(({ doc }) => doc).filter((doc) => doc !== '')
  const code = declarations
    .map(({ code: text }) =>
      text
        .split('\n')
        .filter((line) => !isPrivate(line))
        .join('\n'),
    )
    .join('\n')
  return [`### \`${exported.name}\``, ...docs, `\`\`\`ts\n${code}\n\`\`\``].join('\n\n')
}

function page() {
  const modules = Object.entries(entries).filter(
    ([, target]) => typeof target !== 'string' && target.types !== undefined,
  )
  const parts = modules.flatMap(([entry, { types }]) => [
    `## \`${entry === '.' ? packageName : `${packageName}/${entry.slice(2)}`}\``,
    ...exportsOf(types.replace(/^\.\//, '')).map(section),
  ])
  return `${['# API', 'Made of the docstrings by `node scripts/docs-api.mjs`; a test keeps it up to date.', ...parts].join('\n\n')}\n`
}

if (process.argv.includes('--print')) process.stdout.write(page())
else writeFileSync(join(root, 'docs/guide/api.md'), page())
