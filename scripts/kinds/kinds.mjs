// Projects of eight kinds that people have. Each with what they use most, in few tests: what is opened by the packages counts.
//
//   vitest     which Vitest (default: ^4.1.0); `node`: which Node, where not the one that runs this
//   manager    'pnpm' instead of npm
//   packages   what is installed beside it
//   configs    configs that take the plugin, by path; default: vitest.config.mjs
//   files      all others
//   database   a PostgreSQL of its own, whose address is in DATABASE_URL
//   needs      a program without which it cannot run, and the Debian packages that bring it
//   runs       arguments of the enforced runs, where one is not enough
const test = (name, body, imports = '') =>
  `import { expect, test } from 'vitest'\n${imports}\ntest(${JSON.stringify(name)}, async () => {\n${body}\n})\n`

export const kinds = {
  react: {
    packages: {
      react: '^19',
      'react-dom': '^19',
      '@testing-library/react': '^16',
      '@testing-library/dom': '^10',
      jsdom: '^26',
      msw: '^2',
    },
    configs: { 'vitest.config.mjs': { test: "{ environment: 'jsdom', setupFiles: ['./test/setup.js'] }" } },
    files: {
      'test/setup.js': `import { afterAll, beforeAll } from 'vitest'
import { server } from './server.js'
beforeAll(() => server.listen({ onUnhandledRequest: 'error' }))
afterAll(() => server.close())
`,
      'test/server.js': `import { http, HttpResponse } from 'msw'
import { setupServer } from 'msw/node'
export const server = setupServer(http.get('http://api.test/user', () => HttpResponse.json({ name: 'Ada' })))
`,
      'src/user.js': `import { createElement, useEffect, useState } from 'react'
export function User() {
  const [name, setName] = useState('…')
  useEffect(() => void fetch('http://api.test/user').then((r) => r.json()).then((u) => setName(u.name)), [])
  return createElement('p', null, 'Hello ' + name)
}
`,
      'test/user.test.js': test(
        'shows the user',
        `  render(createElement(User))\n  expect(await screen.findByText('Hello Ada')).toBeTruthy()`,
        `import { createElement } from 'react'\nimport { render, screen } from '@testing-library/react'\nimport { User } from '../src/user.js'`,
      ),
      'test/snapshot.test.js': test(
        'a snapshot',
        `  expect({ a: 1 }).toMatchInlineSnapshot('\\n    {\\n      "a": 1,\\n    }\\n  ')`,
      ),
    },
  },
  server: {
    packages: { fastify: '^5', 'drizzle-orm': '^0.45', pg: '^8', 'better-sqlite3': '^12', dotenv: '^16', pino: '^9' },
    database: true,
    configs: { 'vitest.config.mjs': { test: "{ setupFiles: ['./test/env.js'] }" } },
    files: {
      '.env': 'SECRET=1\n',
      'test/env.js': "import 'dotenv/config'\n",
      'migrations/001.sql': 'create table users (name text);\n',
      'migrations/002.sql': 'create table posts (title text);\n',
      'migrations/003.sql': 'create index one on users (name);\n',
      'src/app.js': `import { readdirSync, readFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { sqliteTable, text } from 'drizzle-orm/sqlite-core'
import fastify from 'fastify'
const users = sqliteTable('users', { name: text() })
export function app(file) {
  const raw = new Database(file)
  raw.pragma('journal_mode = WAL')
  for (const name of readdirSync('migrations').sort()) raw.exec(readFileSync('migrations/' + name, 'utf8'))
  const db = drizzle(raw)
  const server = fastify()
  server.get('/users', () => db.select().from(users).all())
  server.post('/users', (request) => db.insert(users).values({ name: request.body.name }).run())
  server.addHook('onClose', () => raw.close())
  return server
}
`,
      'src/orders.js': `import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import pg from 'pg'
export const orders = pgTable('orders', { id: integer(), what: text() })
export function open(url) {
  const pool = new pg.Pool({ connectionString: url })
  return { db: drizzle(pool), close: () => pool.end() }
}
`,
      'test/app.test.js': test(
        'over the network',
        `  const file = 'test/app.db'
  rmSync(file, { force: true })
  const server = app(file)
  const address = await server.listen({ port: 0 })
  await fetch(address + '/users', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"Ada"}' })
  expect(await (await fetch(address + '/users')).json()).toEqual([{ name: 'Ada' }])
  await server.close()
  for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true })`,
        `import { rmSync } from 'node:fs'\nimport { app } from '../src/app.js'`,
      ),
      'test/memory.test.js': test(
        'in memory',
        `  const server = app(':memory:')\n  expect((await server.inject('/users')).json()).toEqual([])`,
        `import { app } from '../src/app.js'`,
      ),
      'test/orders.test.js': test(
        'in PostgreSQL',
        `  const { db, close } = open(process.env.DATABASE_URL)
  await db.execute('create temporary table orders (id integer, what text)')
  await db.insert(orders).values({ id: 1, what: 'tea' })
  expect(await db.select().from(orders)).toEqual([{ id: 1, what: 'tea' }])
  await close()`,
        `import { open, orders } from '../src/orders.js'`,
      ),
    },
  },
  cli: {
    packages: { execa: '^9', chokidar: '^4', 'simple-git': '^3' },
    files: {
      'bin/tool.js': "#!/usr/bin/env node\nconsole.log('hello', process.argv[2])\n",
      'test/run.test.js': test(
        'runs itself',
        `  expect((await execaNode('bin/tool.js', ['you'])).stdout).toBe('hello you')`,
        `import { execaNode } from 'execa'`,
      ),
      'test/git.test.js': test(
        'commits',
        `  const dir = mkdtempSync(join(tmpdir(), 'repo-'))
  const git = (...args) => execa('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: dir })
  await git('init', '--quiet')
  writeFileSync(join(dir, 'a.txt'), 'a')
  await git('add', '.')
  await git('commit', '--quiet', '-m', 'first')
  expect((await git('log', '--format=%s')).stdout).toBe('first')`,
        `import { mkdtempSync, writeFileSync } from 'node:fs'\nimport { tmpdir } from 'node:os'\nimport { join } from 'node:path'\nimport { execa } from 'execa'`,
      ),
      'test/npm.test.js': test(
        'asks npm',
        `  expect((await execa('npm', ['--version'])).stdout).toMatch(/^\\d+/)`,
        `import { execa } from 'execa'`,
      ),
      'test/watch.test.js': test(
        'sees a change',
        `  const dir = mkdtempSync(join(tmpdir(), 'watch-'))
  const watcher = watch(dir)
  await new Promise((resolve) => watcher.once('ready', resolve))
  const seen = new Promise((resolve) => watcher.once('add', resolve))
  writeFileSync(join(dir, 'a.txt'), 'a')
  expect(await seen).toBe(join(dir, 'a.txt'))
  await watcher.close()`,
        `import { mkdtempSync, writeFileSync } from 'node:fs'\nimport { tmpdir } from 'node:os'\nimport { join } from 'node:path'\nimport { watch } from 'chokidar'`,
      ),
    },
  },
  native: {
    packages: { sharp: '^0.34', bcrypt: '^6', canvas: '^3', piscina: '^5' },
    // canvas has no prebuilt library on npm.
    needs: {
      program: 'pkg-config',
      debian: 'libcairo2-dev libpango1.0-dev libjpeg-dev libgif-dev librsvg2-dev pkg-config g++',
    },
    files: {
      'src/worker.js': 'export default (n) => n * 2\n',
      'test/image.test.js': test(
        'an image with text',
        `  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text y="15">hi</text></svg>'
  const { width } = await sharp(Buffer.from(svg)).png().toBuffer({ resolveWithObject: true }).then(({ info }) => info)
  expect(width).toBe(40)`,
        `import sharp from 'sharp'`,
      ),
      'test/canvas.test.js': test(
        'a drawing with text',
        `  const canvas = createCanvas(40, 20)
  canvas.getContext('2d').fillText('hi', 0, 15)
  const image = await loadImage(canvas.toBuffer('image/png'))
  expect(image.width).toBe(40)`,
        `import { createCanvas, loadImage } from 'canvas'`,
      ),
      'test/hash.test.js': test(
        'a hash',
        `  expect(await bcrypt.compare('a', await bcrypt.hash('a', 4))).toBe(true)`,
        `import bcrypt from 'bcrypt'`,
      ),
      'test/pool.test.js': test(
        'threads',
        `  const pool = new Piscina({ filename: resolve('src/worker.js'), maxThreads: 2 })
  expect(await Promise.all([1, 2, 3].map((n) => pool.run(n)))).toEqual([2, 4, 6])
  await pool.destroy()`,
        `import { resolve } from 'node:path'\nimport { Piscina } from 'piscina'`,
      ),
    },
  },
  vue: {
    packages: {
      vue: '^3',
      '@vitejs/plugin-vue': '^6',
      '@vue/test-utils': '^2',
      'happy-dom': '^20',
      '@vitest/coverage-v8': '^4.1.0',
      '@vitest/coverage-istanbul': '^4.1.0',
    },
    runs: [['--coverage.provider=v8'], ['--coverage.provider=istanbul']],
    configs: {
      'vitest.config.mjs': {
        imports: "import vue from '@vitejs/plugin-vue'",
        plugins: 'vue()',
        test: "{ environment: 'happy-dom', coverage: { enabled: true, reporter: ['json'] } }",
      },
    },
    files: {
      'src/Counter.vue':
        '<script setup>\nimport { ref } from \'vue\'\nconst n = ref(0)\n</script>\n<template><button @click="n++">{{ n }}</button></template>\n',
      'test/counter.test.js': test(
        'counts',
        `  const wrapper = mount(Counter)\n  await wrapper.get('button').trigger('click')\n  expect(wrapper.text()).toBe('1')`,
        `import { mount } from '@vue/test-utils'\nimport Counter from '../src/Counter.vue'`,
      ),
    },
  },
  monorepo: {
    vitest: '^5.1.0',
    node: '24',
    manager: 'pnpm',
    packages: {},
    configs: {
      'packages/text/vitest.config.mjs': {},
      'packages/site/vitest.config.mjs': {},
    },
    files: {
      'pnpm-workspace.yaml': 'packages: [packages/*]\n',
      'vitest.config.mjs': "export default { test: { projects: ['packages/*'] } }\n",
      'packages/text/package.json': '{ "name": "@kind/text", "type": "module", "exports": "./src/index.js" }\n',
      'packages/text/src/index.js': "export const shout = (text) => text.toUpperCase() + '!'\n",
      'packages/text/test/shout.test.js': test(
        'shouts',
        `  expect(shout(readFileSync(new URL('./words.txt', import.meta.url), 'utf8').trim())).toBe('HELLO!')`,
        `import { readFileSync } from 'node:fs'\nimport { shout } from '../src/index.js'`,
      ),
      'packages/text/test/words.txt': 'hello\n',
      'packages/site/package.json':
        '{ "name": "@kind/site", "type": "module", "dependencies": { "@kind/text": "workspace:*", "marked": "^16" } }\n',
      'packages/site/pages/index.md': '# hello\n',
      'packages/site/src/build.js': `import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { shout } from '@kind/text'
import { marked } from 'marked'
export function build(to) {
  mkdirSync(to, { recursive: true })
  writeFileSync(to + '/index.html', marked(readFileSync(new URL('../pages/index.md', import.meta.url), 'utf8')) + shout('built'))
}
`,
      'packages/site/test/build.test.js': test(
        'builds',
        `  const to = mkdtempSync(join(tmpdir(), 'site-'))
  build(to)
  expect(readFileSync(join(to, 'index.html'), 'utf8')).toContain('<h1>hello</h1>\\nBUILT!')`,
        `import { mkdtempSync, readFileSync } from 'node:fs'\nimport { tmpdir } from 'node:os'\nimport { join } from 'node:path'\nimport { build } from '../src/build.js'`,
      ),
      'packages/site/test/root.test.js': test(
        'knows the workspace',
        `  expect(readFileSync(new URL('../../../pnpm-workspace.yaml', import.meta.url), 'utf8')).toContain('packages/*')`,
        `import { readFileSync } from 'node:fs'`,
      ),
    },
  },
  browser: {
    packages: { '@vitest/browser-playwright': '^4.1.0', playwright: '^1' },
    needs: { program: 'chromium', debian: 'chromium' },
    configs: {
      'vitest.config.mjs': {
        imports: "import { playwright } from '@vitest/browser-playwright'",
        test: `{
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/*.test.js'] } },
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['test/browser/*.test.js'],
          browser: {
            enabled: true,
            headless: true,
            provider: playwright({ launchOptions: { executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] } }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  }`,
      },
    },
    files: {
      'src/title.js': "export const title = (name) => 'Hello ' + name\n",
      'data/names.json': '["Ada"]\n',
      'test/title.test.js': test(
        'reads names',
        `  expect(title(JSON.parse(readFileSync('data/names.json', 'utf8'))[0])).toBe('Hello Ada')`,
        `import { readFileSync } from 'node:fs'\nimport { title } from '../src/title.js'`,
      ),
      'test/browser/page.test.js': test(
        'in a page',
        `  document.body.textContent = title('Ada')\n  expect(document.body.textContent).toBe('Hello Ada')`,
        `import { title } from '../../src/title.js'`,
      ),
    },
  },
  vitest3: {
    vitest: '~3.2.4',
    packages: { vite: '^7', jsdom: '^26', express: '^5', supertest: '^7' },
    files: {
      'views/page.txt': 'page\n',
      'src/app.js': `import { readFileSync } from 'node:fs'
import express from 'express'
export const app = express().get('/', (request, response) => response.send(readFileSync('views/page.txt', 'utf8')))
`,
      'test/app.test.js': test(
        'answers',
        `  expect((await request(app).get('/')).text).toBe('page\\n')`,
        `import request from 'supertest'\nimport { app } from '../src/app.js'`,
      ),
      'test/dom.test.js': `// @vitest-environment jsdom\n${test(
        'has a document',
        `  document.body.innerHTML = '<p>x</p>'\n  expect(document.querySelector('p').textContent).toBe('x')`,
      )}`,
      'test/snapshot.test.js': test('a snapshot', `  expect({ a: 1 }).toMatchSnapshot()`),
      'test/__snapshots__/snapshot.test.js.snap':
        '// Vitest Snapshot v1, https://vitest.dev/guide/snapshot.html\n\nexports[`a snapshot 1`] = `\n{\n  "a": 1,\n}\n`;\n',
    },
  },
}
