/** What npm would publish: complete, of the size that the docs state, and found by every kind of import. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { describe, expect, test } from 'vitest'
import { repository } from '../harness/confined.js'
import { pack } from './packed.js'

interface PackageJson {
  readonly exports: Readonly<Record<string, string | { readonly types?: string; readonly default: string }>>
  readonly bin?: Readonly<Record<string, string>>
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

interface Locked {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly hasInstallScript?: boolean
}

const sum = (figures: readonly number[]): number => figures.reduce((total, figure) => total + figure, 0)

function sizeOf(directory: string): number {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return sum(files.map(({ parentPath, name }) => statSync(join(parentPath, name)).size))
}

const json = (path: string): unknown => JSON.parse(readFileSync(join(repository, path), 'utf8'))
const own = json('package.json') as PackageJson
const packed = pack()

describe('the tarball', () => {
  test('publint has nothing to say', async () => {
    const { tarball } = packed
    const bytes = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.length)
    // A Buffer's memory is an ArrayBuffer, unless somebody made it of a shared one.
    const { messages, pkg } = await publint({
      pack: { tarball: bytes as ArrayBuffer },
      level: 'suggestion',
      strict: true,
    })
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([])
  })

  test('the types are right however the package is imported', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(packed.tarball))
    if (analysis.types === false) throw new Error('no types at all')
    const modules = Object.entries(own.exports)
      .filter(([, target]) => typeof target !== 'string')
      .map(([entry]) => entry)
    expect(Object.keys(analysis.entrypoints)).toEqual(expect.arrayContaining(modules))
    const problems = analysis.problems.filter((problem) => {
      // An ES module: Node 20.19 and newer require() it as well, which this tool does not know of.
      if (problem.kind === 'CJSResolvesToESM') return false
      // Subpaths in TypeScript's oldest mode, which knows no `exports`: vitest/config cannot be imported there either.
      return !('resolutionKind' in problem && problem.resolutionKind === 'node10' && problem.kind === 'NoResolution')
    })
    expect(problems).toEqual([])
  })

  test('each entry has types beside it and is in the tarball', () => {
    const targets = Object.values(own.exports).flatMap((target) =>
      typeof target === 'string' ? [target] : [target.types, target.default],
    )
    for (const target of [...targets, ...Object.values(own.bin ?? {})]) {
      expect(packed.files).toContain(String(target).replace(/^\.\//, ''))
    }
  })

  test('has the licence, the readme and the changelog, and nothing that is not for users', () => {
    expect(packed.files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json']))
    const others = packed.files.filter((path) => !/^dist\/[\w./-]+\.(?:js|cjs|d\.ts|json|css|html|bpf)$/.test(path))
    expect(others.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'dist/THIRD-PARTY.txt', 'package.json'])
  })

  test('every relative import in it leads to a file in it', () => {
    const files = new Set(packed.files)
    const broken = packed.files
      .filter((path) => path.startsWith('dist/') && /\.(?:js|d\.ts)$/.test(path))
      .flatMap((path) => {
        const text = readFileSync(join(repository, path), 'utf8')
        return [...text.matchAll(/^(?:import|export)\b[^'"\n]*?\bfrom\s+'(\.[^']+)'/gm)]
          .map(([, to]) => join(path, '..', String(to)))
          .filter((target) => !files.has(target) && !files.has(target.replace(/\.js$/, '.d.ts')))
          .map((target) => `${path}: ${target}`)
      })
    expect(broken).toEqual([])
  })
})

test('what is in it imports the dependencies and nothing else', () => {
  const files = packed.files.filter((path) => /^dist\/.*\.c?js$/.test(path))
  const named = files.flatMap((path) => {
    const text = readFileSync(join(repository, path), 'utf8')
    return [
      ...text.matchAll(
        // As they are written in bundles, without blanks, and elsewhere.
        /(?<![\w$.'"])(?:import|export)\b(?:[^'"\n;]*?\bfrom)?\s*['"]([@\w./:-]+)['"]|^\} from ['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)|\brequire\(['"]([^'"]+)['"]\)/gm,
      ),
    ].map(([, ...names]) => names.find((name) => name !== undefined) ?? '')
  })
  const packages = named
    .filter((name) => !/^[./]|^node:/.test(name) && !builtinModules.includes(name))
    .map((name) => name.split('/')[0])
    // In what is printed for a config.
    .filter((name) => name !== 'vitest-pool-seccomp')
  expect([...new Set(packages)].sort()).toEqual([...Object.keys(own.dependencies), 'vitest'].sort())
})

describe('what comes with it', () => {
  const { packages } = json('package-lock.json') as { readonly packages: Readonly<Record<string, Locked>> }
  const locked = new Map(Object.entries(packages))
  const builds = Object.keys(own.optionalDependencies).sort()
  const shipped = closure([...Object.keys(own.dependencies), ...builds])

  /** All that npm brings for these. Nothing of it is there in two versions, so each lies directly in node_modules. */
  function closure(names: readonly string[], seen: ReadonlySet<string> = new Set()): ReadonlySet<string> {
    return names.reduce((all, name) => {
      if (all.has(name)) return all
      const entry = locked.get(`node_modules/${name}`)
      if (entry === undefined) throw new Error(`${name} is not in package-lock.json`)
      return closure(Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }), new Set([...all, name]))
    }, seen)
  }

  test('nothing runs at install', () => {
    expect(
      Object.keys(own.scripts).filter((name) => /^(?:pre|post)?(?:install|prepare)$|^dependencies$/.test(name)),
    ).toEqual([])
    expect([...shipped].filter((name) => locked.get(`node_modules/${name}`)?.hasInstallScript === true)).toEqual([])
  })

  test('the dependencies are those named in the docs, and they bring nothing more', () => {
    const direct = Object.keys(own.dependencies).sort()
    expect([...shipped].toSorted()).toEqual([...builds, ...direct].toSorted())
    const stated = /^Dependencies: (.*?)\.$/m.exec(readFileSync(join(repository, 'docs/compatibility.md'), 'utf8'))?.[1]
    expect([...(stated ?? '').matchAll(/`(.*?)`/g)].map(([, name]) => name).toSorted()).toEqual(
      [...builds, ...direct].toSorted(),
    )
  })

  test('the sizes that the docs state are right, to a fifth', () => {
    const docs = readFileSync(join(repository, 'docs/compatibility.md'), 'utf8')
    const stated = /^Size: (\d+) kB packed, ([\d.]+) MB unpacked; with what it depends on, ([\d.]+) MB/m.exec(docs)
    const installed = [...shipped]
      .map((name) => join(repository, 'node_modules', name))
      .filter((path) => existsSync(path))
    const actual = [
      packed.packedBytes / 1e3,
      packed.unpackedBytes / 1e6,
      (packed.unpackedBytes + sum(installed.map(sizeOf))) / 1e6,
    ]
    const ratios = actual.map((figure, index) => figure / Number(stated?.[index + 1]))
    expect(
      ratios.map((ratio) => Math.round(ratio * 100)).filter((percent) => Math.abs(percent - 100) > 20),
      String(actual),
    ).toEqual([])
    // One build of koffi is among them, as for a user.
    expect(installed.filter((path) => path.includes('@koromix/'))).toHaveLength(1)
  })

  test('it can be published with provenance', () => {
    expect(json('package.json')).toMatchObject({
      publishConfig: { access: 'public', provenance: true },
      sideEffects: false,
      license: 'MIT',
    })
    expect(existsSync(join(repository, 'LICENSE'))).toBe(true)
  })
})
