/**
 * dist/: tsc gives modules and types; esbuild bundles what starts as a thread or process of its own, because a worker's
 * start is paid once per test file.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { toJsonSchema } from '@valibot/to-json-schema'
import { build } from 'esbuild'
import { bundle, compileFilters } from './bundles.mjs'

const require = createRequire(import.meta.url)
// Built aside and moved into place whole: a run that uses dist/ meanwhile never sees half of it.
const out = `dist.new.${process.pid}`
rmSync(out, { recursive: true, force: true })
const tsc = require.resolve('typescript/package.json').replace('package.json', 'bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', out], {
  stdio: 'inherit',
})
// tsc writes JavaScript in spite of type errors: --keep-going goes on with it, to try one part while another is unfinished.
if (status !== 0 && !process.argv.includes('--keep-going')) process.exit(status ?? 1)

await bundle(process.cwd(), out)
// tsc may have been told to keep going without them.
if (existsSync(`${out}/bpf/compile.js`)) await compileFilters(out)

// The page of a report: what runs in a browser, put into the page whole.
await build({
  bundle: true,
  platform: 'browser',
  format: 'iife',
  target: 'es2022',
  minify: true,
  charset: 'utf8',
  logLevel: 'warning',
  legalComments: 'none',
  entryPoints: { page: 'src/report/page/main.ts' },
  outdir: `${out}/report`,
})
await build({
  minify: true,
  charset: 'utf8',
  logLevel: 'warning',
  entryPoints: { page: 'src/report/page/style.css' },
  outdir: `${out}/report`,
})

if (existsSync(`${out}/policy/schema.js`)) {
  const { manifestFile, resourceRecord } = await import(pathToFileURL(`${out}/policy/schema.js`).href)
  const { resourcesJsonSchema } = await import(pathToFileURL(`${out}/policy/resource-entries.js`).href)
  // What it cannot say (how an entry is written) is left to the parser.
  const schema = toJsonSchema(manifestFile, {
    errorMode: 'ignore',
    overrideSchema: ({ valibotSchema }) => (valibotSchema === resourceRecord ? resourcesJsonSchema() : undefined),
  })
  const title = 'A manifest of vitest-pool-seccomp: what tests may use'
  writeFileSync(`${out}/manifest.schema.json`, `${JSON.stringify({ ...schema, title }, null, 2)}\n`)
}

chmodSync(`${out}/cli/bin.js`, 0o755)

const old = `dist.old.${process.pid}`
if (existsSync('dist')) renameSync('dist', old)
renameSync(out, 'dist')
rmSync(old, { recursive: true, force: true })

// The projects in fixtures/ import the package by its name, as a user's would.
if (!existsSync('node_modules/vitest-pool-seccomp')) symlinkSync('..', 'node_modules/vitest-pool-seccomp')
