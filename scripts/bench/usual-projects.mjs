/** What people run: projects with their packages, made in a scratch directory. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { project } from './confined.mjs'

const FILES = 24

const PACKAGES = {
  vitest: '^4.1.12',
  vite: '^7',
  jsdom: '^26.1.0',
  'happy-dom': '^20',
  react: '^19',
  'react-dom': '^19',
  '@testing-library/react': '^16',
  '@testing-library/dom': '^10',
  '@testing-library/user-event': '^14',
  '@testing-library/jest-dom': '^6',
  '@vitejs/plugin-react': '^5',
  vue: '^3',
  '@vue/test-utils': '^2',
  '@vitejs/plugin-vue': '^6',
  express: '^5',
  '@electric-sql/pglite': '^0.3',
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

function run(program, args, cwd) {
  const { status, stderr, stdout } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`)
}

/** Packages from the registry, and this one as it would be published: the former once, this one anew each time. */
export function install(dir) {
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', dir], project)
  const tarball = readdirSync(dir).find((name) => name.endsWith('.tgz'))
  const ours = join(dir, 'node_modules/vitest-pool-seccomp')
  if (existsSync(ours)) {
    // npm would leave it: it has the same version.
    rmSync(ours, { recursive: true })
    mkdirSync(ours)
    run('tar', ['-xzf', join(dir, tarball), '-C', ours, '--strip-components', '1'], dir)
    return
  }
  const dependencies = { ...PACKAGES, 'vitest-pool-seccomp': `file:${tarball}` }
  write(join(dir, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }))
  run('npm', ['install', '--no-audit', '--no-fund'], dir)
  packageOf(dir, 500)
  packageOf(dir, 300)
}

/** A package of so many modules, as a tree of seven branches. */
function packageOf(dir, modules) {
  const at = join(dir, `node_modules/big-${modules}`)
  write(join(at, 'package.json'), JSON.stringify({ name: `big-${modules}`, type: 'module', exports: './m0.js' }))
  for (let module = 0; module < modules; module++) {
    const children = [1, 2, 3, 4, 5, 6, 7].map((branch) => module * 7 + branch).filter((child) => child < modules)
    write(
      join(at, `m${module}.js`),
      [
        ...children.map((child) => `import { n as n${child} } from './m${child}.js'`),
        `export const n = ${['1', ...children.map((child) => `n${child}`)].join(' + ')}\n`,
      ].join('\n'),
    )
  }
}

const COMPONENT = (n) => `import { useState } from 'react'
export function Counter${n}({ start }) {
  const [count, setCount] = useState(start)
  const [name, setName] = useState('')
  return (
    <form aria-label="form ${n}">
      <label>Name<input value={name} onChange={(event) => setName(event.target.value)} /></label>
      <p>Hello {name || 'nobody'}, {count}</p>
      <button type="button" onClick={() => setCount(count + ${n + 1})}>more</button>
    </form>
  )
}
`

const REACT_TEST = (n) => `import { cleanup, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import '@testing-library/jest-dom/vitest'
import { afterEach, expect, test } from 'vitest'
import { Counter${n} } from '../src/counter-${n}.jsx'

afterEach(cleanup)

test('counts', async () => {
  const user = userEvent.setup()
  render(<Counter${n} start={1} />)
  await user.click(screen.getByRole('button', { name: 'more' }))
  expect(screen.getByText('Hello nobody, ${n + 2}')).toBeInTheDocument()
})

test('greets', async () => {
  const user = userEvent.setup()
  render(<Counter${n} start={0} />)
  await user.type(screen.getByRole('textbox', { name: 'Name' }), 'Ada')
  expect(screen.getByText('Hello Ada, 0')).toBeVisible()
})
`

const VUE_COMPONENT = (n) => `<script setup>
import { computed, ref } from 'vue'
const props = defineProps({ start: Number })
const count = ref(props.start)
const twice = computed(() => count.value * 2 + ${n})
</script>
<template>
  <section><p>{{ count }} {{ twice }}</p><button @click="count++">more</button></section>
</template>
`

const VUE_TEST = (n) => `import { mount } from '@vue/test-utils'
import { expect, test } from 'vitest'
import Counter from '../src/counter-${n}.vue'

test('counts', async () => {
  const wrapper = mount(Counter, { props: { start: 1 } })
  await wrapper.get('button').trigger('click')
  expect(wrapper.get('p').text()).toBe('2 ${n + 4}')
})

test('begins', () => {
  expect(mount(Counter, { props: { start: 3 } }).get('p').text()).toBe('3 ${n + 6}')
})
`

const API = (n) => `import express from 'express'
import { PGlite } from '@electric-sql/pglite'
export async function start() {
  const db = new PGlite()
  await db.exec('CREATE TABLE notes${n} (id SERIAL PRIMARY KEY, text TEXT NOT NULL)')
  const app = express().use(express.json())
  app.post('/notes', async ({ body }, response) => {
    const { rows } = await db.query('INSERT INTO notes${n} (text) VALUES ($1) RETURNING id', [body.text])
    response.status(201).json(rows[0])
  })
  app.get('/notes', async (_, response) => response.json((await db.query('SELECT * FROM notes${n} ORDER BY id')).rows))
  const server = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return { url: \`http://127.0.0.1:\${server.address().port}/notes\`, stop: () => Promise.all([db.close(), new Promise((resolve) => server.close(resolve))]) }
}
`

const API_TEST = (n) => `import { afterAll, beforeAll, expect, test } from 'vitest'
import { start } from '../src/api-${n}.mjs'

let api
beforeAll(async () => {
  api = await start()
}, 60_000)
afterAll(() => api.stop())

const post = (text) =>
  fetch(api.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text }) })

test('notes are kept', async () => {
  expect((await post('one')).status).toBe(201)
  expect(await (await fetch(api.url)).json()).toEqual([{ id: 1, text: 'one' }])
})

test('in order', async () => {
  for (let n = 2; n <= 20; n++) await post(\`note \${n}\`)
  expect((await (await fetch(api.url)).json()).map(({ id }) => id)).toHaveLength(20)
})
`

const TRIVIAL = `import { expect, test } from 'vitest'\ntest('t', () => expect(1).toBe(1))\n`
const IMPORTS = (modules) =>
  `import { expect, test } from 'vitest'\nimport { n } from 'big-${modules}'\ntest('t', () => expect(n).toBe(${modules}))\n`
const MANY = `import { expect, test } from 'vitest'\nfor (let at = 0; at < 5000; at++) test(\`t\${at}\`, () => expect(at).toBe(at))\n`

function files(at, count, text, extension = 'mjs') {
  for (let n = 0; n < count; n++) write(join(at, `test/${n}.test.${extension}`), text(n))
}

function react(at) {
  for (let n = 0; n < FILES; n++) write(join(at, `src/counter-${n}.jsx`), COMPONENT(n))
  files(at, FILES, REACT_TEST, 'jsx')
}

const REACT = { plugin: '@vitejs/plugin-react', make: react }
const ONE_AT_A_TIME = { maxWorkers: 1 }

/**
 * `make(dir)` writes them; `plugin` and `test` are of the config, `manifest` of this pool's. Where nothing else is said, files run one after
 * the other. `aim`: at most so many times what Vitest's forks pool takes, of time and CPU time.
 */
export const USUAL = [
  {
    ...REACT,
    name: `React, jsdom, Testing Library: ${FILES} files`,
    test: { environment: 'jsdom', ...ONE_AT_A_TIME },
    aim: [0.95, 1.05],
  },
  ...[2, 4, 8].map((maxWorkers) => ({
    ...REACT,
    name: `the same, ${maxWorkers} workers at once`,
    test: { environment: 'jsdom', maxWorkers },
  })),
  {
    name: `Vue, happy-dom: ${FILES} files`,
    plugin: '@vitejs/plugin-vue',
    test: { environment: 'happy-dom', ...ONE_AT_A_TIME },
    aim: [1, 1.05],
    make(at) {
      for (let n = 0; n < FILES; n++) write(join(at, `src/counter-${n}.vue`), VUE_COMPONENT(n))
      files(at, FILES, VUE_TEST)
    },
  },
  {
    name: 'an API with a database (express, PGlite): 6 files',
    manifest: { listen: ['tcp:127.0.0.1:0'] },
    make(at) {
      for (let n = 0; n < 6; n++) write(join(at, `src/api-${n}.mjs`), API(n))
      files(at, 6, API_TEST)
    },
  },
  {
    name: '20 files that import 300 modules each',
    aim: [0.95, 1.05],
    make: (at) => files(at, 20, () => IMPORTS(300)),
  },
  { name: 'one file that imports 500 modules', aim: [1.1, 1.15], make: (at) => files(at, 1, () => IMPORTS(500)) },
  { name: 'one trivial file', aim: [1.1], make: (at) => files(at, 1, () => TRIVIAL) },
  { name: '100 trivial files', aim: [0.8, 1.1], make: (at) => files(at, 100, () => TRIVIAL) },
  { name: '400 trivial files', aim: [0.8, 1.1], make: (at) => files(at, 400, () => TRIVIAL) },
  {
    name: '100 trivial files, isolate: false',
    test: { isolate: false, ...ONE_AT_A_TIME },
    aim: [1.05, 1.1],
    make: (at) => files(at, 100, () => TRIVIAL),
  },
  { name: '5,000 tests in a file', aim: [1.05, 1.1], make: (at) => files(at, 1, () => MANY) },
  {
    name: 'watch: a rerun of one file that imports 300 modules',
    isWatched: true,
    aim: [1.05],
    text: IMPORTS(300),
    make: (at) => files(at, 1, () => IMPORTS(300)),
  },
  {
    name: 'watch: a rerun of one trivial file',
    isWatched: true,
    aim: [1.05],
    text: TRIVIAL,
    make: (at) => files(at, 1, () => TRIVIAL),
  },
]

/** One config for all worlds: WORLD says which. */
export function lay(at, { plugin, test = ONE_AT_A_TIME, manifest = {}, make }) {
  make(at)
  write(
    join(at, 'vitest.config.mjs'),
    `import { writeFileSync } from 'node:fs'
const world = process.env.WORLD
process.on('exit', () => writeFileSync(process.env.FACTS, JSON.stringify({ parent: process.resourceUsage().maxRSS / 1024 })))
const plugins = []
${plugin === undefined ? '' : `plugins.push((await import('${plugin}')).default())`}
if (world === 'ours' || world === 'without table')
  plugins.push((await import('vitest-pool-seccomp')).seccomp(${JSON.stringify({ manifest })}))
export default { plugins, test: { ...${JSON.stringify(test)}, ...(world === 'threads' || world === 'forks' ? { pool: world } : {}) } }
`,
  )
}
