/** A project with the frameworks and compilers that are installed, for scripts/gate/honest-cases.mjs. `has`: true if these packages are. */
const page = '// @vitest-environment jsdom\n'

export function frameworks(has) {
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
  const files = {
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
  return {
    imports: used.map(([name, [from]]) => `import * as ${name} from '${from}'`).join('\n'),
    plugins: used.map(([name, [, call]]) => call.replaceAll('imported', name)).join(', '),
    test: "css: false, setupFiles: ['setup/setup.ts']",
    config: "resolve: { alias: { '@': new URL('./src', import.meta.url).pathname } }",
    files: Object.fromEntries(Object.entries(files).map(([path, text]) => [`project/${path}`, text])),
  }
}
