// Open-source suites that run under the stock pool, and what each needs. Their code is never part of this repository.
//
//   source     where the code comes from; `folder` is where its package.json is
//   config     the suite's own Vitest config, if it has one
//   packages   what its tests import, pinned, in place of its devDependencies: most of those are linters and bundlers
//   test       Vitest options on top of its own
//   alias      modules that stand in for another test runner's, from ./shims
//   leftOut    files (a pattern) and tests (`file > name`, or `file > start of names*`) that cannot run here, and why
//   manifest   what the confined run grants
//   acceptDangerous   why a recording may grant what looks dangerous

const github = (repository, commit) => ({ url: `https://github.com/${repository}.git`, commit })

const RUNNER = { vite: '8.3.8', vitest: '4.1.12' }
const NETWORK = 'needs the internet'
const MODES_BIND = 'expects that it may not read a file of mode 000, which root may'

const define = (suite) => ({
  folder: '.',
  test: {},
  alias: {},
  leftOut: {},
  manifest: { read: [], write: [] },
  ...suite,
  packages: { ...RUNNER, ...suite.packages },
})

export const suites = [
  define({
    name: 'pathe',
    source: github('unjs/pathe', '2a558aee716f6820a199cdf5b075ef4aafb69399'),
    config: 'vite.config.ts',
    packages: { zeptomatch: '2.1.0' },
  }),

  define({
    name: 'tinyglobby',
    // Two of its tests list `/` itself, and a grant of a directory is a grant of what is below it.
    manifest: { read: ['./', '../', '/'], write: ['<tmp>/'] },
    acceptDangerous: 'two tests list `/`',
    source: github('SuperchupuDev/tinyglobby', '49c2b9356c4977f1f531de651f90b420a06c64f6'),
    packages: { 'fs-fixture': '2.16.0' },
    test: { include: ['test/**/*.test.ts'] },
    alias: { 'node:test': 'node-test.mjs' },
  }),

  define({
    name: 'pkg-types',
    manifest: { read: ['./'], write: ['<tmp>/', 'test/fixture/'] },
    source: github('unjs/pkg-types', '6dc514b530123f2e4147727019dba6d128a0754f'),
    packages: { 'expect-type': '1.4.0' },
  }),

  define({
    name: 'mlly',
    manifest: { read: ['package.json', 'test/fixture/'] },
    source: github('unjs/mlly', 'beece9be0a98bd170bfef6a4dca4cc84eb84cf74'),
    packages: { 'import-meta-resolve': '4.2.0', jiti: '2.7.0', 'std-env': '4.3.0' },
  }),

  define({
    name: 'readdirp',
    manifest: { read: ['test/'], write: ['<tmp>/'] },
    source: github('paulmillr/readdirp', '5dba3694a1de891ea6edb0301240326f8f8c81f1'),
    packages: { '@paulmillr/jsbt': '0.6.1', chai: '4.3.4', 'chai-subset': '1.6.0' },
    test: { include: ['test/index.test.js'] },
    alias: { '@paulmillr/jsbt/test.js': 'jsbt-test.mjs' },
    leftOut: {
      'test/index.test.js > readdirp various should emit warning for file with strict permission': MODES_BIND,
      'test/index.test.js > readdirp various should not emit warning after "end" event': MODES_BIND,
    },
  }),

  define({
    name: 'valibot',
    source: github('fabian-hiller/valibot', 'a14753beaa2e968190717ebfe5f778e5e32c1e08'),
    folder: 'library',
    config: 'vitest.config.ts',
    packages: { jsdom: '26.1.0' },
    // Its modules import each other in circles and it does not isolate its files: which file comes first in a worker
    // decides whether 19 tests pass. With one worker and no memory of earlier runs that is always the same file.
    test: { maxWorkers: 1, cache: false },
  }),

  define({
    name: 'zustand',
    source: github('pmndrs/zustand', 'f094eebe9bd3b4b0d77b997f69ab1d273f69a877'),
    config: 'vitest.config.mts',
    packages: {
      '@testing-library/dom': '10.4.1',
      '@testing-library/jest-dom': '7.0.1',
      '@testing-library/react': '16.3.2',
      immer: '11.1.16',
      // The newest that runs on Node 20.
      jsdom: '26.1.0',
      react: '19.2.8',
      'react-dom': '19.2.8',
      'use-sync-external-store': '1.6.0',
    },
  }),

  define({
    name: 'magicast',
    manifest: { read: ['test/stubs/config.ts'], write: ['test/stubs/config2.ts'] },
    source: github('unjs/magicast', '8d4fed041775f1fab0794344e368c6fa79079658'),
    config: 'vitest.config.ts',
    packages: { giget: '3.2.0', prettier: '3.8.3', 'source-map': 'npm:source-map-js@1.2.1' },
  }),

  define({
    name: 'tinyexec',
    manifest: { exec: ['node', 'echo', 'grep', 'sleep'] },
    source: github('tinylibs/tinyexec', '24e98613798c024ccd7742f538e0958ebe6efd2d'),
    packages: { 'cross-spawn': '7.0.6' },
    test: { include: ['src/test/*_test.ts'] },
    alias: { 'node:test': 'node-test.mjs' },
  }),

  define({
    name: 'ofetch',
    manifest: { listen: ['tcp:127.0.0.1:0', 'tcp:[::1]:0'] },
    source: github('unjs/ofetch', 'dfbe3ca4ef8a22fc023fca5a5ef530e525f5e523'),
    config: 'vitest.config.ts',
    packages: { h3: '2.0.1-rc.5', undici: '7.16.0' },
    leftOut: { 'test/index.test.ts > ofetch default fetch options': NETWORK },
  }),

  define({
    name: 'node-server',
    manifest: {
      read: ['test/fixtures/keys/'],
      write: ['test/assets/'],
      listen: ['tcp:*:*'],
      connect: ['tcp:localhost:*'],
    },
    source: github('honojs/node-server', '3b1dd6875812e0b5aee43ec3fac66c191fd6251f'),
    config: 'vitest.config.ts',
    packages: { hono: '4.13.19', ws: '8.23.0', '@whatwg-node/fetch': '0.9.23' },
    leftOut: {
      'test/serve-static.test.ts > Serve Static Middleware Stream error handling *': MODES_BIND,
    },
  }),

  define({
    name: 'giget',
    source: github('unjs/giget', 'f1dad453055b97a81d5227edce7262c8dcaf53d2'),
    config: 'vitest.config.ts',
    packages: { citty: '0.2.2', nypm: '0.6.12', pathe: '2.0.3', tar: '7.5.23' },
    leftOut: { 'test/getgit.test.ts': NETWORK },
  }),

  define({
    name: 'unstorage',
    manifest: {
      read: ['src/drivers/', 'test/test.png', '/usr/bin/ldd'],
      write: ['test/drivers/tmp/', 'test/tmp/', 'test/fs-storage/', '<tmp>/'],
      listen: ['tcp:*:*'],
      connect: ['tcp:localhost:*'],
    },
    source: github('unjs/unstorage', 'afbb66ec266e0cec613cb087b49f75bf4deaaa41'),
    config: 'vite.config.mjs',
    packages: {
      '@capacitor/core': '8.5.2',
      '@capacitor/preferences': '8.0.1',
      '@electric-sql/pglite': '0.5.16',
      '@libsql/client': '0.17.4',
      '@netlify/blobs': '11.1.1',
      '@vercel/functions': '3.9.9',
      aws4fetch: '1.0.20',
      chokidar: '5.0.0',
      db0: '0.3.4',
      destr: '2.0.5',
      'fake-indexeddb': '6.2.8',
      'get-port-please': '3.2.0',
      'idb-keyval': '6.3.0',
      ioredis: '6.0.0',
      'ioredis-mock': '8.13.1',
      jsdom: '26.1.0',
      'lru-cache': '11.5.3',
      mlly: '1.8.2',
      mysql2: '3.16.0',
      ofetch: '1.5.1',
      scule: '1.3.0',
      srvx: '0.12.8',
    },
    leftOut: {
      'test/drivers/azure-*': 'needs an emulator of Azure',
      'test/drivers/cloudflare-cache-binding.test.ts': 'needs wrangler, which starts a downloaded program',
      'test/drivers/cloudflare-kv-binding.test.ts': 'needs wrangler, which starts a downloaded program',
      'test/drivers/cloudflare-r2-binding.test.ts': 'needs wrangler, which starts a downloaded program',
      'test/drivers/db0.test.ts > drivers: db0 - sqlite *': 'needs node:sqlite, which Node 20 has not',
      'test/drivers/deno-kv*': 'needs Deno',
      'test/drivers/github.test.ts': NETWORK,
      'test/drivers/mongodb.test.ts': 'needs a downloaded MongoDB',
    },
  }),
]

export function chosen(names) {
  if (names.length === 0 || names.includes('all')) return suites
  return names.map((name) => {
    const suite = suites.find((candidate) => candidate.name === name)
    if (suite === undefined)
      throw new Error(`no suite "${name}"; there are ${suites.map((each) => each.name).join(', ')}`)
    return suite
  })
}
