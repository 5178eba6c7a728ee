/** What is loaded while somebody waits, as few files: they load faster than a tree of modules. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

/** What a config, a test or a shell starts with, by where it lies in dist/; together those that one process may load. */
const ENTRIES = [
  ['index', 'vitest3', 'cli/record/run-vitest', 'cli/run/vitest'],
  ['client/index'],
  ['cli/bin', 'cli/run/broker-process'],
  ['cli/main'],
  ['cli/run/start'],
]

/**
 * A thread's or a process's start is the reading of its code: without blanks and comments it is half as long. Names stay, for stacks and for
 * the names of errors.
 */
const SHORT = { minifyWhitespace: true, minifySyntax: true }

/**
 * The entries again, over chunks in dist/main/ that those of one process share: what is there once stays there once, and what is
 * imported when it is needed still is. Each process has its own, as few as can be: a file more costs about a millisecond. One level
 * below dist/, as the modules are that look for files beside them. Libraries come
 * with them, as much of each as is used: most of valibot is not. picomatch stays outside: Vite has loaded it already.
 */
async function bundleEntries(root, out, entries) {
  const bundleOf = (name) => name.replaceAll('/', '-')
  // Entries of other bundles are loaded, not copied: what they hold is there once.
  const others = ENTRIES.flat().filter((name) => !entries.includes(name))
  const elsewhere = {
    name: 'elsewhere',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir, kind }) => {
        const name = relative(join(root, 'src'), join(resolveDir, path)).replace(/\.js$/, '')
        return kind !== 'entry-point' && others.includes(name)
          ? { path: `./${bundleOf(name)}.js`, external: true }
          : undefined
      })
    },
  }
  const { metafile } = await build({
    ...SHORT,
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    plugins: [elsewhere],
    external: ['tinypool', 'vitest', 'vitest/*', 'picomatch'],
    logLevel: 'warning',
    legalComments: 'none',
    metafile: true,
    outdir: `${out}/main`,
    entryPoints: Object.fromEntries(entries.map((name) => [bundleOf(name), `src/${name}.ts`])),
    banner: { js: REQUIRE },
  })
  for (const name of entries) {
    const file = `${out}/${name}.js`
    const text = readFileSync(file, 'utf8')
    const bundled = `'${'../'.repeat(name.split('/').length - 1) || './'}main/${bundleOf(name)}.js'`
    writeFileSync(
      file,
      [
        ...(text.startsWith('#!') ? ['#!/usr/bin/env node'] : []),
        /^export\b/m.test(text) ? `export * from ${bundled}` : `import ${bundled}`,
        ...(/\bas default\b/.test(text) ? [`export { default } from ${bundled}`] : []),
      ].join('\n') + '\n',
    )
  }
  return Object.keys(metafile.inputs)
}

/** The filters, as the kernel takes them: the same for each run, so that none has to compile them. */
export async function compileFilters(out) {
  const [{ compile }, { encode }, filters] = await Promise.all(
    ['bpf/compile', 'bpf/instruction', 'syscalls/filter'].map(
      (name) => import(pathToFileURL(`${out}/${name}.js`).href),
    ),
  )
  mkdirSync(`${out}/filters`, { recursive: true })
  for (const arch of ['x64', 'arm64']) {
    for (const of of ['worker', 'receiving', 'socketless', 'networked', 'seal', 'spawner'])
      writeFileSync(`${out}/filters/${of}.${arch}.bpf`, encode(compile(filters[`${of}Filter`](arch))))
  }
}

/** Licences of the packages whose code is in a bundle. */
function notices(root, inputs) {
  const packages = new Set(inputs.flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []))
  return [...packages]
    .toSorted()
    .map((name) => {
      const { version, license } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'))
      const file = ['LICENSE', 'LICENSE.md', 'license']
        .map((at) => join(root, 'node_modules', name, at))
        .find((path) => existsSync(path))
      if (file === undefined) throw new Error(`${name} brings no licence`)
      return `${name} ${version}, ${license}\n\n${readFileSync(file, 'utf8').trim()}\n`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)
}

export async function bundleThreads(root, out) {
  const common = {
    ...SHORT,
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    external: ['tinypool', './runtime-3.js'],
    logLevel: 'warning',
    legalComments: 'none',
    metafile: true,
    outdir: `${out}/threads`,
  }
  const modules = {
    process: 'broker/process',
    'run-process': 'broker/run-process',
    broker: 'broker/thread',
    runtime: 'child/runtime',
    'runtime-vitest': 'child/runtime-vitest',
    'runtime-3': 'child/runtime-3',
    'plain-3': 'child/plain-3',
    escapes: 'child/escapes',
  }
  const built = await Promise.all([
    build({ ...common, format: 'esm', entryPoints: pathsOf(modules), banner: { js: REQUIRE } }),
    build({
      ...common,
      format: 'cjs',
      // What its first import does is all that it is for.
      ignoreAnnotations: true,
      entryPoints: pathsOf({ child: 'child/entry', spawner: 'broker/spawner-thread', helper: 'broker/helper-thread' }),
      define: { 'import.meta.url': '__url' },
      banner: { js: "const __url = require('node:url').pathToFileURL(__filename).href;" },
      outExtension: { '.js': '.cjs' },
    }),
  ])
  return built.flatMap(({ metafile }) => Object.keys(metafile.inputs))
}

function pathsOf(modules) {
  return Object.fromEntries(Object.entries(modules).map(([name, path]) => [name, `src/${path}.ts`]))
}

const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);"

/** Everything that comes in bundles, with the licences of what is not ours. */
export async function bundle(root, out) {
  const inputs = await bundleThreads(root, out)
  for (const entries of ENTRIES) inputs.push(...(await bundleEntries(root, out, entries)))
  writeFileSync(`${out}/THIRD-PARTY.txt`, notices(root, inputs))
}
