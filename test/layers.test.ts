/** Each layer imports only the layers below it: read from the import statements themselves. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import picomatch from 'picomatch'
import { describe, expect, test } from 'vitest'
import { PURE_TESTS } from './pure.js'

const SRC = fileURLToPath(new URL('../src', import.meta.url))

/** The layers that each layer may import. CONTRIBUTING.md has the same table. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  limits: [],
  abi: ['errors'],
  bpf: ['abi', 'errors'],
  policy: ['abi', 'errors'],
  syscalls: ['policy', 'bpf', 'abi', 'errors', 'limits'],
  modules: ['abi', 'errors'],
  project: ['modules', 'policy', 'abi', 'errors'],
  sys: ['syscalls', 'policy', 'bpf', 'abi', 'errors', 'limits'],
  protocol: ['policy', 'errors'],
  report: ['policy', 'errors'],
  framing: ['errors'],
  broker: ['project', 'modules', 'sys', 'syscalls', 'policy', 'bpf', 'abi', 'errors', 'limits', 'protocol', 'framing'],
  child: ['project', 'modules', 'sys', 'syscalls', 'policy', 'bpf', 'abi', 'errors', 'limits', 'protocol', 'framing'],
  client: ['protocol', 'policy', 'errors'],
  vitest: [
    'report',
    'broker',
    'child',
    'project',
    'modules',
    'sys',
    'syscalls',
    'policy',
    'bpf',
    'abi',
    'errors',
    'limits',
    'protocol',
    'framing',
  ],
  index: ['vitest', 'policy', 'errors'],
  vitest3: ['vitest'],
  cli: [
    'index',
    'vitest',
    'report',
    'broker',
    'child',
    'project',
    'modules',
    'sys',
    'syscalls',
    'policy',
    'bpf',
    'abi',
    'errors',
    'limits',
    'protocol',
    'framing',
  ],
}

/** What a layer may import besides: packages, and modules of Node's. */
const OUTSIDE: Readonly<Record<string, RegExp>> = {
  abi: /^$/,
  bpf: /^$/,
  errors: /^$/,
  limits: /^$/,
  syscalls: /^$/,
  protocol: /^$/,
  framing: /^node:v8$/,
  report: /^(?:valibot|node:fs|node:crypto)$/,
  modules: /^node:(?:fs|path|buffer|vm)$/,
  project: /^node:(?:dns|fs|os|path|url)$/,
  policy: /^(?:node:path|picomatch|leven|valibot)$/,
  sys: /^(?:koffi|node:fs|node:module|node:os|node:path)$/,
  broker: /^node:|^tinypool$|^valibot$/,
  child: /^node:/,
  client: /^node:/,
}
const PURE = new Set(['abi', 'bpf', 'errors', 'syscalls', 'policy', 'protocol'])

interface Source {
  readonly file: string
  readonly layer: string
  readonly text: string
  readonly imports: readonly { readonly specifier: string; readonly isType: boolean }[]
}

function layerOf(path: string): string {
  const [first = ''] = relative(SRC, path).split(sep)
  return first.replace(/\.ts$/, '')
}

function importsOf(text: string): Source['imports'] {
  const statements = text.matchAll(
    /^(?:import|export)(\s+type)?\b[^'"]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  )
  return [...statements].map(([, isType, from, bare, dynamic]) => ({
    specifier: from ?? bare ?? dynamic ?? '',
    isType: isType !== undefined,
  }))
}

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(SRC, name))
  .map((path) => {
    const text = readFileSync(path, 'utf8')
    return { file: relative(SRC, path), layer: layerOf(path), text, imports: importsOf(text) }
  })

/** The text without comments and without what stands in quotes, so that only code is looked at. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<![:'"\\])\/\/.*$/gm, '').replace(/'(?:[^'\\\n]|\\.)*'/g, "''")
}

function breaches(find: (source: Source) => readonly string[]): string[] {
  return sources.flatMap((source) => find(source).map((what) => `${source.file}: ${what}`))
}

describe('the layers', () => {
  test('there is something to look at, and each file has a layer', () => {
    expect(sources.length).toBeGreaterThan(80)
    expect(breaches(({ layer }) => (layer in BELOW ? [] : [`no layer ${layer}`]))).toEqual([])
    expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(300)
  })

  test('imports go down only', () => {
    expect(
      breaches(({ file, layer, imports }) =>
        imports.flatMap(({ specifier }) => {
          if (!specifier.startsWith('.')) return []
          const to = layerOf(join(dirname(join(SRC, file)), specifier.replace(/\.js$/, '.ts')))
          return to === layer || BELOW[layer]?.includes(to) ? [] : [`imports ${to} (${specifier})`]
        }),
      ),
    ).toEqual([])
  })

  test('only what is allowed comes from outside; koffi only into sys, vitest only into vitest, tinypool only into the broker', () => {
    expect(
      breaches(({ layer, imports }) =>
        imports.flatMap(({ specifier, isType }) => {
          if (specifier.startsWith('.')) return []
          // The package is there for its types: what is installed is the library that sys/koffi.ts loads.
          if (specifier === 'koffi' && (layer !== 'sys' || !isType)) return ['imports koffi']
          if (/^(?:vitest|@vitest)\b/.test(specifier) && layer !== 'vitest' && layer !== 'cli')
            return [`imports ${specifier}`]
          if (specifier === 'tinypool' && layer !== 'broker') return ['imports tinypool']
          const allowed = OUTSIDE[layer]
          return allowed === undefined || allowed.test(specifier) ? [] : [`imports ${specifier}`]
        }),
      ),
    ).toEqual([])
  })

  test("Vitest's own process loads no koffi and no threads of ours", () => {
    const seen = new Set<string>()
    const load = (file: string): void => {
      if (seen.has(file)) return
      seen.add(file)
      const source = sources.find((one) => join(SRC, one.file) === file)
      for (const { specifier, isType } of source?.imports ?? []) {
        if (isType) continue
        if (specifier.startsWith('.')) load(join(dirname(file), specifier.replace(/\.js$/, '.ts')))
        else seen.add(specifier)
      }
    }
    for (const entry of ['index.ts', 'vitest3.ts']) load(join(SRC, entry))
    expect(seen.size).toBeGreaterThan(100)
    expect([...seen].filter((one) => /^(?:koffi|tinypool|node:worker_threads)$|\/sys\/koffi\.ts$/.test(one))).toEqual(
      [],
    )
  })

  test("Node's own modules are written with their prefix", () => {
    expect(
      breaches(({ imports }) =>
        imports.flatMap(({ specifier }) => (builtinModules.includes(specifier) ? [specifier] : [])),
      ),
    ).toEqual([])
  })

  test('the pure layers read no disk, no clock, no environment', () => {
    const impure = /\b(?:process\.|Date\.now|new Date\(\)|Math\.random|performance\.|setTimeout|globalThis)/g
    expect(
      breaches(({ layer, text }) => (PURE.has(layer) ? [...code(text).matchAll(impure)].map(([what]) => what) : [])),
    ).toEqual([])
  })
})

test('CONTRIBUTING.md has the same table', () => {
  const text = readFileSync(join(SRC, '../CONTRIBUTING.md'), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` \|([^|]*)\|/gm)].map(([, layer, below = '']): [string, string[]] => [
    layer ?? '',
    [...below.matchAll(/`(\w+)`/g)].map(([, name = '']) => name).toSorted(),
  ])
  expect(Object.fromEntries(rows)).toEqual(
    Object.fromEntries(Object.entries(BELOW).map(([layer, below]) => [layer, below.toSorted()])),
  )
})

describe('the pure tests', () => {
  const ROOT = join(SRC, '..')
  const isPure = picomatch([...PURE_TESTS])
  const tests = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .map((name) => join('test', name).split(sep).join('/'))
    .filter((name) => name.endsWith('.test.ts') && isPure(name))

  /** Everything that a test file loads of this project and of others, types left out. */
  function reach(path: string, seen: Set<string>): Set<string> {
    if (seen.has(path)) return seen
    seen.add(path)
    for (const { specifier, isType } of importsOf(readFileSync(path, 'utf8'))) {
      if (isType) continue
      if (specifier.startsWith('.')) reach(join(dirname(path), specifier.replace(/\.js$/, '.ts')), seen)
      else seen.add(specifier)
    }
    return seen
  }

  test('there are some of each entry of the list', () => {
    for (const pattern of PURE_TESTS) {
      const matches = picomatch(pattern)
      expect([pattern, tests.some((name) => matches(name))]).toEqual([pattern, true])
    }
  })

  test.each(tests)('%s reaches nothing that calls the kernel, or is built', (file) => {
    const reached = [...reach(join(ROOT, file), new Set())].map((path) => relative(ROOT, path).split(sep).join('/'))
    expect(reached.filter((path) => /^src\/(?:sys|child)\/|^test\/harness\/|\bkoffi$|^dist\//.test(path))).toEqual([])
  })
})

describe('the code', () => {
  test('no catch swallows: none without its error, none with nothing in it', () => {
    expect(
      breaches(({ text }) =>
        [...code(text).matchAll(/\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}|\bcatch\s*\{/g)].map(([what]) => what),
      ),
    ).toEqual([])
  })

  test('no bare any, no assertion that something is not null, no comment that turns the types off', () => {
    expect(
      breaches(({ text }) => [
        ...[...code(text).matchAll(/(?:[:<|&,(]\s*|\bas\s+)any\b/g)].map(([what]) => what),
        ...[...text.matchAll(/@ts-(?:ignore|nocheck|expect-error)/g)].map(([what]) => what),
      ]),
    ).toEqual([])
  })

  test('each type has a name of its own', () => {
    const places = new Map<string, Set<string>>()
    for (const { file, text } of sources) {
      for (const [, name = ''] of code(text).matchAll(
        /^(?:export )?(?:default )?(?:declare )?(?:abstract )?(?:type|interface|class|enum) (\w+)/gm,
      )) {
        places.set(name, (places.get(name) ?? new Set()).add(file))
      }
    }
    expect(places.size).toBeGreaterThan(500)
    expect(
      [...places].flatMap(([name, files]) => (files.size > 1 ? [`${name}: ${[...files].join(', ')}`] : [])),
    ).toEqual([])
  })

  test('what is exported is used elsewhere: by the sources, a test, a script or whoever imports the package', () => {
    const ROOT = join(SRC, '..')
    const read = (dir: string): readonly { readonly file: string; readonly text: string }[] =>
      readdirSync(join(ROOT, dir), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.m?[jt]s$/.test(name) && !name.includes('node_modules'))
        .map((name) => ({ file: join(dir, name), text: readFileSync(join(ROOT, dir, name), 'utf8') }))
    const users = new Map<string, Set<string>>()
    for (const { file, text } of [...sources, ...['test', 'scripts', 'fixtures'].flatMap(read)])
      for (const [word] of text.matchAll(/\b[A-Za-z_]\w*/g)) users.set(word, (users.get(word) ?? new Set()).add(file))
    const entries = new Set(['index.ts', 'vitest3.ts', 'client/index.ts'])
    expect(
      breaches(({ file, text }) =>
        entries.has(file) || file.endsWith('.generated.ts')
          ? []
          : [
              ...text.matchAll(
                /^export (?:declare |default |abstract |async )*(?:function\*?|class|const|let|type|interface|enum) (\w+)/gm,
              ),
            ].flatMap(([, name = '']) => ((users.get(name)?.size ?? 0) > 1 ? [] : [name])),
      ),
    ).toEqual([])
  })

  test('a docstring says what the thing is or does, and stands before the imports', () => {
    expect(
      breaches(({ text }) => [
        ...[...text.matchAll(/\/\*\*\s+(?:\* )?((?:What|Which|Whether|Who|Whose|Whoever|Whatever)\b.*)/g)].map(
          ([, line = '']) => line,
        ),
        ...[...text.matchAll(/^(?:import .*\n)+\/\*\*[\s\S]*?\*\/\nimport /g)].map(
          () => 'imports before its docstring',
        ),
      ]),
    ).toEqual([])
  })

  test('documents that a comment or a message names are there', () => {
    expect(
      breaches(({ text }) =>
        [...text.matchAll(/\bdocs\/[\w./-]+\.md\b/g)].flatMap(([path]) =>
          existsSync(join(SRC, '..', path)) ? [] : [path],
        ),
      ),
    ).toEqual([])
  })

  test('no test double in the sources, no leftover', () => {
    expect(
      breaches(({ text }) =>
        [...code(text).matchAll(/\b(?:console\.log|debugger|TODO|FIXME|XXX)\b/g)].map(([what]) => what),
      ),
    ).toEqual([])
  })
})
