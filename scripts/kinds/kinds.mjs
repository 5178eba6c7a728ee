// Projects of eight kinds that people have. Each with what they use most, in few tests: what is opened by the packages counts.
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
    config: { test: "{ environment: 'jsdom', setupFiles: ['./test/setup.js'] }" },
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
    packages: { fastify: '^5', 'better-sqlite3': '^12', dotenv: '^16', pino: '^9' },
    config: { test: "{ setupFiles: ['./test/env.js'] }" },
    files: {
      '.env': 'SECRET=1\n',
      'test/env.js': "import 'dotenv/config'\n",
      'migrations/001.sql': 'create table users (name text);\n',
      'migrations/002.sql': 'create table posts (title text);\n',
      'migrations/003.sql': 'create index one on users (name);\n',
      'src/app.js': `import { readdirSync, readFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import fastify from 'fastify'
export function app(file) {
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  for (const name of readdirSync('migrations').sort()) db.exec(readFileSync('migrations/' + name, 'utf8'))
  const server = fastify()
  server.get('/users', () => db.prepare('select name from users').all())
  server.post('/users', (request) => db.prepare('insert into users values (?)').run(request.body.name))
  server.addHook('onClose', () => db.close())
  return server
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
    packages: { sharp: '^0.34', bcrypt: '^6', piscina: '^5' },
    files: {
      'src/worker.js': 'export default (n) => n * 2\n',
      'test/image.test.js': test(
        'an image with text',
        `  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text y="15">hi</text></svg>'
  const { width } = await sharp(Buffer.from(svg)).png().toBuffer({ resolveWithObject: true }).then(({ info }) => info)
  expect(width).toBe(40)`,
        `import sharp from 'sharp'`,
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
    },
    config: {
      imports: "import vue from '@vitejs/plugin-vue'",
      plugins: 'vue()',
      test: "{ environment: 'happy-dom', coverage: { enabled: true, reporter: ['json'] } }",
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
}
