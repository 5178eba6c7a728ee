import { describe, expect, test } from 'vitest'
import { answer } from '../../../src/cli/explain/answer.js'
import { describeBase } from '../../../src/cli/explain/base.js'
import { questionsOf, type SubjectContext } from '../../../src/cli/explain/subject.js'
import { baseGrants } from '../../../src/policy/base.js'
import { bindOptions, type Looked } from '../../../src/policy/bind.js'
import { bytePath, type BytePath } from '../../../src/policy/request.js'
import { NOTHING, parseOptions } from '../../../src/policy/schema.js'
import { worldOf } from '../record/fake-world.js'

const world = worldOf(['/p/test/data.json', '/p/real/x', '/p/src/a.ts', '/usr/bin/git', '/p/tool', '/run/x.sock'])

/** `/p/link` leads to `/p/real`. */
function lookup(path: BytePath): Looked {
  const real = bytePath(path.replace(/^\/p\/link(?=\/|$)/, '/p/real'))
  return world.lookup(real)
}

const places = { root: '/p', workspace: '/p', home: '/home/me', tmp: '/tmp/vitest-seccomp-XXXXXX' }
const subjects: SubjectContext = {
  ...places,
  cwd: '/p',
  searchPath: ['/usr/bin'],
  lookup,
  resolve: () => Promise.resolve(['192.0.2.1', '192.0.2.2']),
}
const options = parseOptions({
  manifest: {
    read: ['test/', '!test/kept', { entry: 'link/', why: 'shared with the docs' }],
    write: ['<tmp>/'],
    exec: ['git'],
    connect: ['tcp:127.0.0.1:5432'],
    listen: ['tcp:127.0.0.1:0'],
    resources: {
      cache: { connect: 'tcp:127.0.0.1:6379' },
      web: { listen: 'tcp:127.0.0.1:0' },
      wire: { pair: 'w' },
      other: { pair: 'w' },
    },
  },
  files: { 'test/db/**': { read: ['/etc/db.conf'] } },
})
const context = { ...places, searchPath: ['/usr/bin'], file: '/p', lookup }
const bound = bindOptions({ ...options, files: [] }, context)
const policy = { mode: 'enforce' as const, ...bound }
const others = [
  {
    glob: 'test/db/**',
    policy: { mode: 'enforce' as const, ...bindOptions({ ...options, manifest: NOTHING }, context) },
  },
]

async function ask(text: string, access?: string): Promise<string> {
  const answers = (await questionsOf(text, access, subjects)).map((question) =>
    answer(question, { policy, others, suggest: { ...places, searchPath: ['/usr/bin'] } }),
  )
  return answers.map(({ text: said }) => said).join('')
}

describe('an address, however it is written', () => {
  test.each([
    ['127.0.0.1:5432', "connect to tcp:127.0.0.1:5432: allowed, by 'tcp:127.0.0.1:5432' (manifest.connect[0])\n"],
    ['postgres://user:secret@127.0.0.1/db', 'connect to tcp:127.0.0.1:5432: allowed'],
    ['http://169.254.169.254/latest', "  dangerous: this machine's cloud credentials\n"],
    ['https://example.com/a?b', 'connect to tcp:192.0.2.1:443: refused, no entry covers it\n'],
    ['localhost:5432', 'connect to tcp:[::1]:5432: refused'],
    ['localhost:9', "  to allow it, add to the manifest: connect: ['tcp:localhost:9']\n"],
  ])('%s', async (text, expected) => {
    expect(await ask(text)).toContain(expected)
  })

  test('a name that leads nowhere now is looked for in the entries', async () => {
    const nowhere = { ...subjects, resolve: () => Promise.resolve([]) }
    const named = parseOptions({
      manifest: { connect: ['tcp:one.example:80-90'] },
      files: { 'test/net/**': { connect: ['tcp:two.example:*'] } },
    })
    const of = async (text: string): Promise<string> => {
      const [question] = await questionsOf(text, undefined, nowhere)
      if (question === undefined) return ''
      const [manifest, net] = [named.manifest, named.files[0]?.manifest ?? NOTHING].map((one) => ({
        mode: 'enforce' as const,
        ...bindOptions({ ...named, manifest: one, files: [] }, context),
      }))
      if (manifest === undefined || net === undefined) return ''
      return answer(question, { policy: manifest, others: [{ glob: 'test/net/**', policy: net }], suggest: places })
        .text
    }
    expect(await of('http://one.example')).toBe(
      "connect to tcp:one.example:80: allowed, by 'tcp:one.example:80-90' (manifest.connect[0])\n  one.example has no address now\n",
    )
    expect(await of('two.example:443')).toBe(`connect to tcp:two.example:443: refused, no entry names it
  two.example has no address now
  but test files that match 'test/net/**' may: 'tcp:two.example:*' (manifest.connect[0])
  to allow it, add to the manifest: connect: ['tcp:two.example:443']
`)
  })

  test('a URL of a file is its path', async () => {
    expect(await ask('file:///p/test/data.json')).toContain('open /p/test/data.json for reading: allowed')
  })

  test('a program that is nowhere', async () => {
    await expect(questionsOf('prettier', undefined, subjects)).rejects.toThrow(
      "there is no program 'prettier' along PATH, and no file of that name here",
    )
  })
})

describe('explain', () => {
  test.each([
    ['test/data.json', undefined, "open /p/test/data.json for reading: allowed, by 'test/' (manifest.read[0])\n"],
    [
      'test/data.json',
      'write',
      "open /p/test/data.json for writing: refused, 'test/' covers it, but not for writing\n  to allow it, add to the manifest: write: ['test/data.json']\n",
    ],
    [
      'link/x',
      undefined,
      `open /p/real/x for reading: allowed, by 'link/' (manifest.read[2])
  /p/link/x leads to it
  why: shared with the docs
  the entry names /p/link, a symbolic link or below one; when the run starts it is resolved to /p/real
`,
    ],
    ['<tmp>/x', 'write', "open /tmp/vitest-seccomp-XXXXXX/x for writing: allowed, by '<tmp>/' (manifest.write[0])\n"],
    [
      'test/kept',
      undefined,
      "open /p/test/kept for reading: refused, '!test/kept' excludes it\n  to allow it, remove '!test/kept' from read\n",
    ],
    [
      'src',
      undefined,
      "open /p/src for reading: refused, no entry covers it\n  to allow it, add to the manifest: read: ['src/']\n",
    ],
    [
      'src/a.ts',
      undefined,
      `open /p/src/a.ts for reading: refused, no entry covers it
  to allow it, add to the manifest: read: ['src/a.ts']
  importing it needs no entry: code of the project comes from Vitest
`,
    ],
    [
      '/etc/db.conf',
      undefined,
      `open /etc/db.conf for reading: refused, no entry covers it
  but test files that match 'test/db/**' may: '/etc/db.conf' (files["test/db/**"].read[0])
  to allow it, add to the manifest: read: ['/etc/db.conf']
`,
    ],
    ['git', undefined, "run /usr/bin/git: allowed, by 'git' (manifest.exec[0])\n"],
    [
      './tool',
      'execute',
      "run /p/tool: refused, no entry covers it\n  to allow it, add to the manifest: exec: ['./tool']\n",
    ],
    [
      'tcp:127.0.0.1:5432',
      undefined,
      "connect to tcp:127.0.0.1:5432: allowed, by 'tcp:127.0.0.1:5432' (manifest.connect[0])\n",
    ],
    ['tcp:127.0.0.1:0', 'listen', "listen on tcp:127.0.0.1:0: allowed, by 'tcp:127.0.0.1:0' (manifest.listen[0])\n"],
    [
      'tcp:example.com:443',
      undefined,
      `connect to tcp:192.0.2.1:443: refused, no entry covers it
  to allow it, add to the manifest: connect: ['tcp:example.com:443']
connect to tcp:192.0.2.2:443: refused, no entry covers it
  to allow it, add to the manifest: connect: ['tcp:example.com:443']
`,
    ],
    [
      'unix:/run/x.sock',
      undefined,
      "connect to unix:/run/x.sock: refused, no entry covers it\n  dangerous: a service outside the project acts with rights of its own\n  to allow it all the same: connect: ['unix:/run/x.sock']\n",
    ],
    [
      'tcp:127.0.0.1:6379',
      undefined,
      "connect to tcp:127.0.0.1:6379: refused, no entry covers it\n  to allow it, add to the manifest: connect: ['tcp:127.0.0.1:6379']\n  a test gets it by name: acquire('cache')\n",
    ],
    [
      'unix:@name',
      undefined,
      "connect to unix:@name: refused, no entry covers it\n  to allow it, add to the manifest: connect: ['unix:@name']\n",
    ],
  ])('%s %s', async (text, access, expected) => {
    expect(await ask(text, access)).toBe(expected)
  })

  test.each([
    [
      'tcp:*:80',
      undefined,
      "an address with one host and one port is needed, such as 'tcp:127.0.0.1:5432', or 'unix:/path', not 'tcp:*:80'",
    ],
    [
      'tcp:127.0.0.1:80-90',
      undefined,
      "an address with one host and one port is needed, such as 'tcp:127.0.0.1:5432', or 'unix:/path', not 'tcp:127.0.0.1:80-90'",
    ],
    [
      'test/',
      'listen',
      "--access for 'test/' is 'look', 'list', 'read', 'content', 'write', 'move' or 'execute', not 'listen'",
    ],
    ['unix:/x', 'read', "--access for 'unix:/x' is 'connect' or 'listen', not 'read'"],
    ['<tpm>/x', undefined, "a path, an address or a program is needed, not '<tpm>/x'"],
  ])('%s %s cannot be asked', async (text, access, expected) => {
    await expect(questionsOf(text, access, subjects)).rejects.toThrow(expected)
  })
})

test('base grants by the reason for them', () => {
  const lists = baseGrants({
    lookup,
    nodeExec: '/usr/bin/node',
    nodeModules: ['/p/node_modules'],
    packageDir: '/p/node_modules/vitest-pool-seccomp/dist',
    coverageDir: '/p/coverage/.tmp',
  })
  const text = describeBase({
    mode: 'enforce',
    lists: [...lists, ...bound.lists],
    sockets: [
      {
        access: 'connect',
        source: 'base',
        at: 'base',
        reason: 'name look-up, because an entry names a host',
        target: {
          family: 'inet',
          protocol: 'udp',
          host: { kind: 'networks', networks: [{ address: '10.0.0.2', prefix: 128 }] },
          ports: { from: 53, to: 53 },
        },
      },
    ],
  })
  expect(
    text.startsWith(
      'Always granted, for reading where nothing else is said. By reason:\n\nthe Node executable\n  /usr/bin/node\n',
    ),
  ).toBe(true)
  expect(text).toContain('\ninstalled packages\n  /p/node_modules/\n')
  expect(text).toContain('\ncoverage data\n  /p/coverage/.tmp/  (may be written)\n')
  expect(text).toContain(
    '\nmodules that Vitest has transformed, for any worker\n  but not /p/node_modules/.vitest-cache/\n',
  )
  expect(text).toContain('\nnames of threads\n  /proc/self/comm  (its content may be changed)\n')
  expect(text).toContain('\nname look-up, because an entry names a host\n  connect to udp:10.0.0.2:53\n')
  expect(text).not.toMatch(/(?<!vi)test\//)
})
