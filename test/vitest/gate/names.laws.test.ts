/**
 * What the gate takes an id for is what Vite takes it for: compared with Vite's own expressions, out of the text of each Vite that is
 * installed, over ids in the one form that is let through.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  classify,
  COMPONENT,
  endingOf,
  isCompiled,
  isLeftToPlugins,
  isScript,
} from '../../../src/vitest/gate/classify.js'
import { splitId } from '../../../src/vitest/gate/module-id.js'
import { isNormalId } from '../../../src/vitest/gate/normal-form.js'
import { law } from '../../laws/law.js'

const repository = resolve(import.meta.dirname, '../../..')
const PLACES = ['node_modules/vite', 'fixtures/vitest3/node_modules/vite', 'fixtures/vitest3/node_modules/vite-6']

interface Vite {
  readonly version: string
  /** By what an expression is for. Several of one name stand in several of Vite's plugins: each counts. */
  readonly expressions: ReadonlyMap<string, readonly RegExp[]>
}

const vites = PLACES.map((place) => join(repository, place))
  .filter((dir) => existsSync(dir))
  .map(viteIn)

function viteIn(dir: string): Vite {
  const { version }: { readonly version: string } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
  const text = ['dist/node', 'dist/node/chunks']
    .flatMap((part) => readdirSync(join(dir, part)).map((name) => join(dir, part, name)))
    .filter((path) => path.endsWith('.js'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n')
  const expressions = new Map<string, RegExp[]>()
  for (const [, name = '', source = '', flags] of text.matchAll(
    /^(?:const|var) (\w+?)(?:\$\d+)? = (?:\(\s*(?:\/\/.*\s*)?)?\/((?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([a-z]*)\s*\)?;$/gm,
  ))
    expressions.set(name, [...(expressions.get(name) ?? []), new RegExp(source, flags?.replace('g', ''))])
  // Made of a list of endings.
  const [, assets = ''] = /KNOWN_ASSET_TYPES = \[([^\]]+)\]/.exec(text) ?? []
  const types = [...assets.matchAll(/"([^"]+)"/g)].map(([, type]) => type)
  expressions.set('assets', [new RegExp(`\\.(?:${types.join('|')})(\\?.*)?$`, 'i')])
  expressions.set('jsonLangRE', [/\.(?:json|json5)(?:$|\?)/])
  return { version, expressions }
}

function named({ expressions, version }: Vite, name: string): readonly RegExp[] {
  const found = expressions.get(name)
  if (found === undefined) throw new Error(`Vite ${version} has no ${name}: what it reads names by is another`)
  return found
}

/** Vite reads the file and hands over its content, or its address. */
const READS = ['rawRE', 'urlRE', 'inlineRE', 'noInlineRE', 'workerOrSharedWorkerRE', 'wasmInitRE']
const STYLE = ['CSS_LANGS_RE']

const matches = (vite: Vite, names: readonly string[], id: string): boolean =>
  names.some((name) => named(vite, name).some((expression) => expression.test(id)))

test('Vite 6, 7 and 8 are there, and have what they are asked for', () => {
  const majors = vites.map(({ version }) => version.split('.')[0])
  expect(majors).toContain('8')
  // Not there, `node scripts/vitest3.mjs` installs them.
  if (existsSync(join(repository, 'fixtures/vitest3/node_modules')))
    expect(majors).toEqual(expect.arrayContaining(['6', '7']))
  for (const vite of vites) {
    for (const name of ['postfixRE', ...READS, ...STYLE]) expect(named(vite, name).length, name).toBeGreaterThan(0)
    expect(matches(vite, ['assets'], '/a.PNG?x')).toBe(true)
  }
})

const endings = fc.constantFrom(
  '',
  ...'.ts .tsx .js .mjs .cjs .JS .d.ts .vue .svelte .css .CSS .module.css .less .scss .styl .pcss .sss'.split(' '),
  ...'.json .json5 .jsonc .svg .PNG .wasm .html .txt .env .map .'.split(' '),
)
const names = fc.oneof(
  fc.constantFrom(
    'a',
    'a b',
    'é',
    '.env',
    'package',
    'a.less',
    'a.json',
    'raw',
    'url',
    '@fs',
    '@id',
    'node_modules',
    'a&raw',
    'a=url',
  ),
  fc.string({ unit: 'grapheme', maxLength: 4 }),
)
const words = fc.constantFrom(
  '',
  ...'raw url inline no-inline worker sharedworker worklet init instance worker_file type=style RAW URL'.split(' '),
  ...'vue lang.ts lang.css lang.less a.less x=.css import direct html-proxy index=0.js t=1234567890123'.split(' '),
  ...'commonjs-proxy transform-only inline-css style-attr v=1 %72aw é x.svg raw=1 url= rawx xraw'.split(' '),
)
const separators = fc.constantFrom('?', '&', '#', '=', '/', '\n', '\u2028', '?&', '.')
const ids = fc
  .tuple(
    fc.array(names, { minLength: 1, maxLength: 3 }),
    endings,
    fc.array(fc.tuple(separators, words), { maxLength: 3 }),
    fc.boolean(),
  )
  .map(([path, ending, query, isPlain]) => {
    // Mostly in the form that is let through.
    const text = query.map(([separator, word], index) => `${isPlain ? (index === 0 ? '?' : '&') : separator}${word}`)
    return `/${path.join('/')}${ending}${text.join('')}`
  })

function ofEach(id: string, compare: (vite: Vite, path: string, query: string) => void): void {
  if (!isNormalId(id)) return
  const { path, query } = splitId(id)
  for (const vite of vites) compare(vite, path, query)
}

law('the path of a name is the same', { cases: 2000 }, [ids], (id) => {
  ofEach(id, (vite, path) => {
    for (const expression of named(vite, 'postfixRE')) expect(id.replace(expression, ''), vite.version).toBe(path)
  })
})

law('what Vite reads for its content or address is a read', { cases: 2000 }, [ids], (id) => {
  ofEach(id, (vite, path, query) => {
    if (matches(vite, READS, id)) expect(classify(path, query), `${vite.version} ${id}`).toMatchObject({ is: 'read' })
  })
})

law('what Vite takes for a style sheet or an asset is no script', { cases: 2000 }, [ids], (id) => {
  ofEach(id, (vite, path, query) => {
    const kind = classify(path, query)
    if (matches(vite, STYLE, id) && kind.is !== 'read')
      expect(kind.is === 'style' || COMPONENT.has(endingOf(path)), `${vite.version} ${id}`).toBe(true)
    if (matches(vite, STYLE, id) && isScript(path)) expect(kind.is, `${vite.version} ${id}`).toBe('read')
    if (matches(vite, ['assets', 'jsonLangRE'], id)) expect(kind.is, `${vite.version} ${id}`).toBe('read')
  })
})

law('what Vite may compile is known for it, unless it is handed over as it is', { cases: 2000 }, [ids], (id) => {
  ofEach(id, (vite, path, query) => {
    const isStyle = matches(vite, STYLE, id)
    // Vite's own word for what is not compiled, whatever it is.
    if (isStyle && !isCompiled(path, query))
      expect(matches(vite, ['SPECIAL_QUERY_RE'], id), `${vite.version} ${id}`).toBe(true)
    if (isLeftToPlugins(path, query)) expect(matches(vite, [...READS, 'assets', 'jsonLangRE'], id), id).toBe(false)
  })
})
