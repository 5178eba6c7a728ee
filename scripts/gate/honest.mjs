/**
 * A project with what people use, in Vitest's own pool and confined: the same results.
 *
 *   node scripts/gate/honest.mjs --modules <dir> [--node <node>] [--keep]
 *
 * `--modules`: a directory with a node_modules of its own, in which are vitest, vite, this package as built, jsdom, and
 * of React, Vue, Svelte, Sass, Less and Tailwind with their plugins whichever are to be tried.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: options } = parseArgs({
  options: {
    modules: { type: 'string' },
    node: { type: 'string', default: process.execPath },
    keep: { type: 'boolean' },
    css: { type: 'string' },
  },
})
const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const modules = join(resolve(options.modules), 'node_modules')
const has = (...names) => names.every((name) => existsSync(join(modules, name, 'package.json')))

const base = mkdtempSync(join(tmpdir(), 'honest-'))
const root = join(base, 'project')
for (const part of ['dist', 'package.json'])
  cpSync(join(repository, part), join(modules, 'vitest-pool-seccomp', part), { recursive: true })
mkdirSync(root)
symlinkSync(modules, join(base, 'node_modules'))

const plugins = {
  react: has('react', 'react-dom', '@vitejs/plugin-react') && ['@vitejs/plugin-react', '(imported.default)()'],
  vue: has('vue', '@vitejs/plugin-vue', 'typescript') && ['@vitejs/plugin-vue', '(imported.default)()'],
  svelte: has('svelte', '@sveltejs/vite-plugin-svelte') && [
    '@sveltejs/vite-plugin-svelte',
    'imported.svelte({ configFile: false })',
  ],
  tailwind: has('tailwindcss', '@tailwindcss/vite') && ['@tailwindcss/vite', '(imported.default)()'],
}
const used = Object.entries(plugins).filter(([, plugin]) => plugin)
const config = `
import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { seccomp } from 'vitest-pool-seccomp'
${used.map(([name, [from]]) => `import * as ${name} from '${from}'`).join('\n')}

const { manifest, css } = JSON.parse(readFileSync('setting.json', 'utf8'))
export default defineConfig({
  plugins: [
    ...(manifest === null ? [] : [seccomp({ manifest })]),
    ${used.map(([name, [, call]]) => call.replaceAll('imported', name)).join(',\n    ')}
  ],
  resolve: { alias: { '@': new URL('./src', import.meta.url).pathname } },
  test: { css, pool: manifest === null ? 'forks' : undefined, setupFiles: ['setup/setup.ts'] },
})
`
const page = '// @vitest-environment jsdom\n'
const files = {
  'package.json': '{ "name": "honest", "private": true, "type": "module" }',
  'vitest.config.mjs': config,
  'setup/setup.ts': "import { ready } from './ready'\nglobalThis.ready = ready\n",
  'setup/ready.ts': 'export const ready = true\n',
  'src/a.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'src/text.txt': 'text\n',
  'src/data.json': '{ "a": 1 }',
  'src/plain.css': '.plain { background: url("./a.svg"); color: red }\n',
  'src/imports.css': '@import "./plain.css";\n.b { color: blue }\n',
  'src/a.module.css': '.box { color: red }\n.more { composes: box }\n',
  'src/url.ts':
    "export const url = new URL('./a.svg', import.meta.url).href\nexport const inline = new URL('./a.svg?inline', import.meta.url).href\n",
  'src/globbed/one.ts': 'export const n = 1\n',
  'src/globbed/two.ts': 'export const n = 2\n',
  'test/basics.test.ts': `
import { expect, test } from 'vitest'
import data from '@/data.json'
import text from '@/text.txt?raw'
import address from '@/a.svg?url'
const globbed = import.meta.glob('../src/globbed/*.ts', { eager: true })
test('modules', async () => {
  expect(globalThis.ready).toBe(true)
  expect(data.a).toBe(1)
  expect(text).toBe('text\\n')
  expect(address).toMatch(/svg/)
  expect(Object.keys(globbed)).toHaveLength(2)
  const name = 'one'
  expect((await import(\`../src/globbed/\${name}.ts\`)).n).toBe(1)
})`,
  'test/styles.test.ts': `${page}
import { expect, test } from 'vitest'
import '@/plain.css'
import '@/imports.css'
import inlined from '@/plain.css?inline'
import box from '@/a.module.css'
import { url, inline } from '@/url'
test('styles', () => {
  expect(box.box).toMatch(/box/)
  expect(typeof inlined).toBe('string')
  console.log(JSON.stringify([url.slice(0, 20), inline.slice(0, 20), inlined.length, Object.keys(box)]))
})`,
  ...(has('sass') && {
    'src/part.scss': '$c: red;\n',
    'src/a.scss': "@use './part';\n.s { color: part.$c; background: url('./a.svg') }\n",
    'test/sass.test.ts': `${page}
import { expect, test } from 'vitest'
import css from '@/a.scss?inline'
import '@/a.scss'
test('sass', () => expect(typeof css).toBe('string'))`,
  }),
  ...(has('less') && {
    'src/part.less': '@c: red;\n',
    'src/a.less': "@import './part.less';\n.l { color: @c }\n",
    'test/less.test.ts': `${page}
import { expect, test } from 'vitest'
import css from '@/a.less?inline'
import '@/a.less'
test('less', () => expect(typeof css).toBe('string'))`,
  }),
  ...(plugins.react && {
    'src/Counter.tsx': `import { useState } from 'react'
import './plain.css'
export function Counter() { const [n, set] = useState(0); return <button onClick={() => set(n + 1)}>{n}</button> }`,
    'test/react.test.tsx': `${page}
import { act } from 'react'
import { createRoot } from 'react-dom/client'
import { expect, test } from 'vitest'
import { Counter } from '@/Counter'
globalThis.IS_REACT_ACT_ENVIRONMENT = true
test('react', async () => {
  const host = document.body.appendChild(document.createElement('div'))
  await act(async () => createRoot(host).render(<Counter />))
  await act(async () => host.querySelector('button').click())
  expect(host.textContent).toBe('1')
})`,
  }),
  ...(plugins.vue && {
    'src/types.ts': 'export interface Props { name: string }\n',
    'src/Hello.vue': `<script setup lang="ts">
import type { Props } from './types'
defineProps<Props>()
</script>
<template><p class="p">hello {{ name }}<img src="./a.svg"></p></template>
<style scoped>.p { color: red }</style>
`,
    'test/vue.test.ts': `${page}
import { createApp } from 'vue'
import { expect, test } from 'vitest'
import Hello from '@/Hello.vue'
test('vue', () => {
  const host = document.createElement('div')
  createApp(Hello, { name: 'you' }).mount(host)
  expect(host.textContent).toBe('hello you')
})`,
  }),
  ...(plugins.svelte && {
    'src/Hello.svelte': `<script>let { name } = $props()</script>
<p>hello {name}</p>
<style>p { color: red }</style>
`,
    'test/svelte.test.ts': `import { render } from 'svelte/server'
import { expect, test } from 'vitest'
import Hello from '@/Hello.svelte'
test('svelte', () => expect(render(Hello, { props: { name: 'you' } }).body).toContain('hello you'))`,
  }),
  ...(plugins.tailwind && {
    'src/tw.css': '@import "tailwindcss";\n@theme { --color-own: red }\n',
    'test/tailwind.test.ts': `${page}
import { expect, test } from 'vitest'
import css from '@/tw.css?inline'
test('tailwind', () => expect(typeof css).toBe('string'))`,
  }),
}
for (const [path, text] of Object.entries(files)) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

const vitest = join(modules, 'vitest/vitest.mjs')
function run(manifest, css) {
  writeFileSync(join(root, 'setting.json'), JSON.stringify({ manifest, css }))
  const report = join(base, 'report.json')
  rmSync(report, { force: true })
  const args = [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const env = { ...process.env, NO_COLOR: '1', VITEST: undefined, CI: undefined }
  const { stdout, stderr, status } = spawnSync(options.node, args, {
    cwd: root,
    env,
    encoding: 'utf8',
    timeout: 120_000,
  })
  const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')).testResults : []
  const states = Object.fromEntries(
    results
      .map(({ name, status: state }) => [name.slice(root.length + 6), state])
      .sort(([a], [b]) => a.localeCompare(b)),
  )
  return { status, states, out: stdout + stderr }
}

/** What the lines of violations say to add, until there is none: what a person does. */
function withGrants(css) {
  const read = []
  for (let round = 0; round < 6; round++) {
    const result = run({ read }, css)
    const lines = [...result.out.matchAll(/to allow it, add to the manifest: read: \['([^']+)'\]/g)].map(
      ([, one]) => one,
    )
    const fresh = [...new Set(lines)].filter((one) => !read.includes(one))
    if (fresh.length === 0) return { ...result, read }
    read.push(...fresh)
  }
  return { ...run({ read }, css), read }
}

let bad = 0
for (const css of options.css === undefined ? [false, true] : [options.css === 'true']) {
  const stock = run(null, css)
  const confined = withGrants(css)
  const same = JSON.stringify(stock.states) === JSON.stringify(confined.states) && stock.status === confined.status
  if (!same) bad++
  console.log(`css: ${css}: ${same ? 'the same' : 'DIFFERENT'}`)
  console.log(`  stock    ${stock.status} ${JSON.stringify(stock.states)}`)
  console.log(`  confined ${confined.status} ${JSON.stringify(confined.states)}`)
  console.log(`  read: ${JSON.stringify(confined.read)}`)
  const said = ({ out }) =>
    out
      .split('\n')
      .filter((line) => line.startsWith('["'))
      .sort()
      .join('\n')
  if (said(stock) !== said(confined)) console.log(`  said: ${said(stock)} / ${said(confined)}`)
  if (!same) console.log(confined.out.slice(-6000))
  if (stock.status !== 0) console.log(stock.out.slice(-6000))
}
if (options.keep) console.log(root)
else rmSync(base, { recursive: true, force: true })
process.exitCode = bad > 0 ? 1 : 0
