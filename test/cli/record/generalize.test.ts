import { describe, expect, test } from 'vitest'
import type { LedgerLine } from '../../../src/broker/ledger.js'
import { generalize } from '../../../src/cli/record/generalize.js'
import { bindManifest, type Looked } from '../../../src/policy/bind.js'
import { compilePolicy, decide } from '../../../src/policy/policy.js'
import { rawPath, type BytePath } from '../../../src/policy/request.js'
import { parseOptions } from '../../../src/policy/schema.js'
import { connected, connectedTo, did, lookedUp, recordingOf, spoke, worldOf } from './fake-world.js'

const A = 'test/a.test.ts'
const B = 'test/b.test.ts'
const C = 'test/c.test.ts'
const dir = { there: 'directory' } as const
/** What an entry that covers more than one name carries. */
const BUT = '!<secrets>'
const made = { there: undefined } as unknown as Partial<LedgerLine>

function of(
  files: Readonly<Record<string, readonly LedgerLine[]>>,
  disk: readonly string[] = [],
  acceptDangerous = false,
) {
  return generalize(recordingOf(files), worldOf(disk), { acceptDangerous })
}

const alone = (accesses: readonly LedgerLine[], disk: readonly string[] = []) => of({ [A]: accesses }, disk).manifest

describe('paths', () => {
  test('one file is one entry, however often and in whatever way it was read', () => {
    expect(
      alone([did('read', '/p/data.json'), did('look', '/p/data.json'), did('read', '/p/data.json')], ['/p/data.json']),
    ).toEqual({ read: ['data.json'] })
  })

  test('from three on, files of a directory are the directory', () => {
    const files = ['/p/test/fixtures/a.json', '/p/test/fixtures/b.json', '/p/test/fixtures/c.txt']
    expect(
      alone(
        files.slice(0, 2).map((path) => did('read', path)),
        files,
      ),
    ).toEqual({ read: ['test/fixtures/a.json', 'test/fixtures/b.json'] })
    expect(
      alone(
        files.map((path) => did('read', path)),
        files,
      ),
    ).toEqual({ read: ['test/fixtures/', BUT] })
  })

  test('the project itself is never taken for a directory like others; files of a kind in it are', () => {
    const files = ['/p/a.md', '/p/b.md', '/p/c.md', '/p/x.json', '/p/y.toml', '/p/z.yaml']
    expect(
      alone(
        files.map((path) => did('read', path)),
        files,
      ),
    ).toEqual({ read: ['*.md', 'x.json', 'y.toml', 'z.yaml'] })
  })

  test('a directory that was listed can only be granted with what is in it', () => {
    expect(alone([did('read', '/p/src', dir)], ['/p/src/a.ts'])).toEqual({ read: ['src/', BUT] })
  })

  test('whatever secret a listed directory has in it, or gets later, stays out', () => {
    expect(alone([did('read', '/p', dir)], ['/p/a.ts', '/p/.env', '/p/sub/.npmrc', '/p/.env.example'])).toEqual({
      read: ['./', '!.git/config', BUT],
    })
  })

  test('no directory with a secret in it is collapsed into', () => {
    const files = ['/p/conf/a.json', '/p/conf/b.json', '/p/conf/c.json']
    expect(
      alone(
        files.map((path) => did('read', path)),
        [...files, '/p/conf/.env'],
      ),
    ).toEqual({ read: ['conf/*.json'] })
    expect(
      alone(
        files.map((path) => did('read', path)),
        [...files, '/p/conf/.env', '/p/conf/id_rsa'],
      ),
    ).toEqual({ read: ['conf/*.json'] })
  })

  test('writing includes reading, and a directory that a test made is its own', () => {
    const accesses = [
      did('write', '/p/test/out', { operation: 'create-directory', ...made }),
      did('write', '/p/test/out/a.txt', made),
      did('read', '/p/test/out/a.txt'),
    ]
    expect(alone(accesses, ['/p/test/a.test.ts'])).toEqual({ write: ['test/out/'] })
  })

  test('a tree is granted for writing only where nothing else lies in it', () => {
    const written = ['/p/gen/a.js', '/p/gen/b.js', '/p/gen/c.css'].map((path) => did('write', path, made))
    expect(alone(written, ['/p/gen/a.js', '/p/gen/b.js', '/p/gen/c.css'])).toEqual({ write: ['gen/', BUT] })
    expect(alone(written, ['/p/gen/a.js', '/p/gen/b.js', '/p/gen/c.css', '/p/gen/kept.js'])).toEqual({
      write: ['gen/a.js', 'gen/b.js', 'gen/c.css'],
    })
    const temporary = ['/p/gen/a.tmp', '/p/gen/b.tmp', '/p/gen/c.tmp'].map((path) => did('write', path, made))
    expect(alone(temporary, ['/p/gen/kept.js'])).toEqual({ write: ['gen/*.tmp'] })
  })

  describe('directories side by side, in which one test file uses the same', () => {
    const samples = (...below: readonly string[]): string[] =>
      ['a', 'b', 'c'].flatMap((sample) => below.map((name) => `/p/t/samples/${sample}/${name}`))
    const reads = (paths: readonly string[]): LedgerLine[] => paths.map((path) => did('read', path))

    test('become one entry', () => {
      const there = samples('in.txt', 'deep/x.json', 'other.md')
      expect(alone(reads(samples('in.txt', 'deep/x.json')), there)).toEqual({
        read: ['t/samples/*/deep/x.json', 't/samples/*/in.txt', BUT],
      })
      expect(alone(reads(samples('1.json', '2.json', '3.json')), samples('1.json', '2.json', '3.json', 'x'))).toEqual({
        read: ['t/samples/*/*.json', BUT],
      })
    })

    test('stay apart where many of them were not used, or one holds packages', () => {
      const used = samples('in.txt')
      const each = { read: used.map((path) => path.slice(3)) }
      expect(alone(reads(used), [...used, ...samples('x'), '/p/t/samples/d/in.txt'])).toEqual(each)
      expect(alone(reads(used), [...used, ...samples('x'), '/p/t/samples/node_modules/x'])).toEqual(each)
    })

    test('are for those test files alone that use them all', () => {
      const [one = '', two = '', three = ''] = samples('in.txt')
      const { manifest, files } = generalize(
        recordingOf({ 'a.test.ts': reads([one, two]), 'b.test.ts': reads([three]), 'c.test.ts': [] }),
        worldOf(samples('in.txt', 'x')),
        { acceptDangerous: false },
      )
      expect(manifest).toEqual({})
      expect(files).toEqual({
        'a.test.ts': { read: ['t/samples/a/in.txt', 't/samples/b/in.txt'] },
        'b.test.ts': { read: ['t/samples/c/in.txt'] },
      })
    })

    test('are written to where every one is, and nothing else by that name is there', () => {
      const writes = samples('out.txt').map((path) => did('write', path, made))
      expect(alone(writes, samples('out.txt', 'in.txt'))).toEqual({ write: ['t/samples/*/out.txt', BUT] })
      const each = { write: samples('out.txt').map((path) => path.slice(3)) }
      expect(alone(writes, [...samples('out.txt', 'in.txt'), '/p/t/samples/d/in.txt'])).toEqual(each)
      expect(alone(writes, [...samples('out.txt', 'in.txt'), '/p/t/samples/d/out.txt'])).toEqual(each)
    })

    test('are listed', () => {
      const looks = ['/p/t/samples', ...samples('deep')].map((path) => did('look', path, dir))
      expect(
        alone([...looks, ...samples('').map((path) => did('look', path.slice(0, -1), dir))], samples('deep/x')),
      ).toEqual({
        list: ['t/samples/', 't/samples/*/', 't/samples/*/deep/'],
      })
    })
  })

  test('to make a directory that is there already is to look at it', () => {
    expect(
      alone(
        [did('write', '/p/test', { operation: 'create-directory', ...dir }), did('read', '/p/test/x')],
        ['/p/test/x'],
      ),
    ).toEqual({ read: ['test/x'] })
  })

  test('the private temporary directory is one entry', () => {
    expect(
      alone([did('write', '/tmp/vitest-seccomp-x1/demo-aB3dE9/f', made), did('read', '/tmp/vitest-seccomp-x1', dir)]),
    ).toEqual({ write: ['<tmp>/'] })
  })

  test('names that are others in the next run become a star', () => {
    expect(
      alone(
        [
          did('write', '/p/test/tmp-Xb3dE9', { operation: 'create-directory', ...made }),
          did('write', '/p/test/tmp-Xb3dE9/f', made),
          did('write', '/p/cache/17321649012', made),
          did('write', '/p/log-4711.txt', made),
          did('read', '/proc/4712/stat'),
          did('write', '/p/logs/2026-11-27T14_19_50_498Z-debug.log'),
          did('write', '/p/logs/run-2026-11-27_14-36-26_045.txt'),
        ],
        ['/p/cache/readme', '/p/logs/readme'],
      ),
    ).toEqual({
      read: ['/proc/*/stat'],
      write: ['cache/*', 'log-*.txt', 'logs/*-debug.log', 'logs/run-*.txt', 'test/tmp-*/', BUT],
    })
  })

  test('what was looked at and would seem not to be there is granted; what lies above a grant is not', () => {
    expect(
      alone(
        [did('look', '/p/tsconfig.json'), did('look', '/p/src', dir), did('read', '/p/src/x')],
        ['/p/tsconfig.json', '/p/src/x'],
      ),
    ).toEqual({ read: ['src/x', 'tsconfig.json'] })
  })

  test('where a symbolic link comes to stand, no entry may lead', () => {
    expect(
      alone(
        [
          did('write', '/p/data/link.html', { operation: 'create-symlink', ...made }),
          did('write', '/p/data/link.html', { there: 'link' }),
        ],
        ['/p/data/x.html'],
      ),
    ).toEqual({ write: ['data/link*.html'] })
  })

  test('a directory that was listed, looked at in the project or would have been made is its names, and nothing in it', () => {
    const mkdir = { operation: 'create-directory', ...dir } as const
    const accesses = [
      did('list', '/p', dir),
      did('list', '/p/src', dir),
      did('read', '/p/src/a.ts'),
      did('list', '/opt/thing', dir),
      did('look', '/p/test', dir),
      did('look', '/opt/file'),
      did('write', '/home/me/.cache/tool', mkdir),
    ]
    const disk = ['/p/src/a.ts', '/p/src/b.ts', '/p/test/x', '/opt/thing/x', '/opt/file', '/home/me/.cache/tool/x']
    const { manifest, dangers } = of({ [A]: accesses }, disk)
    expect(manifest).toEqual({
      list: ['./', 'src/', 'test/', '<home>/.cache/tool/', '/opt/thing/'],
      read: ['src/a.ts', '/opt/file'],
    })
    expect(dangers).toEqual([])
  })

  test('what is granted as a whole need not be listed as well', () => {
    const files = ['/p/data/a', '/p/data/b', '/p/data/c']
    expect(alone([did('list', '/p/data', dir), ...files.map((path) => did('read', path))], files)).toEqual({
      read: ['data/', BUT],
    })
  })

  test('a directory elsewhere that was only looked at is told of', () => {
    const found = of({ [A]: [did('look', '/work/here', dir)] }, ['/work/here/x'])
    expect([found.manifest, found.unseen]).toEqual([{}, ['look at /work/here']])
    expect(of({ [A]: ['1', '4712'].map((pid) => did('look', `/proc/${pid}`, dir)) }).unseen).toEqual([
      'look at /proc/*',
    ])
  })

  test('of what an entry opens, nine in ten files were used', () => {
    const files = Array.from({ length: 20 }, (_, index) => `/p/test/${index < 10 ? 'a' : 'b'}/${index}.json`)
    const read = (count: number) =>
      alone(
        files.slice(0, count).map((path) => did('read', path)),
        files,
      )
    expect(read(3)).toEqual({ read: ['test/a/0.json', 'test/a/1.json', 'test/a/2.json'] })
    expect(read(9)).toEqual({ read: ['test/a/', BUT] })
    expect(read(18).read).toEqual(['test/', BUT])
    expect(read(12).read).toEqual(['test/a/', 'test/b/10.json', 'test/b/11.json', BUT])
  })

  test('characters of globs in names are kept from meaning anything', () => {
    expect(alone([did('read', '/p/app/[id].ts'), did('read', '/p/!x')], ['/p/app/[id].ts', '/p/!x'])).toEqual({
      read: ['./!x', 'app/[[]id?.ts'],
    })
  })

  test('what lies above the project is spelled as seen from there', () => {
    const above = [did('list', '/a/b', dir), did('list', '/a', dir), did('list', '/', dir)]
    const recording = recordingOf({ [A]: above }, { root: '/a/b/c', workspace: '/a/b/c' })
    expect(generalize(recording, worldOf(['/a/b/c/x']), { acceptDangerous: false }).manifest).toEqual({
      list: ['../', '../../', '/'],
    })
  })

  test('a link below a directory that nothing shows is granted by its name', () => {
    const world = worldOf(['/usr/bin/which.debianutils', '/etc/alternatives/x'])
    const link = rawPath('/etc/alternatives/which')
    const lookup = (path: BytePath): Looked =>
      path === link ? { kind: 'file', real: rawPath('/usr/bin/which.debianutils') } : world.lookup(path)
    const recording = recordingOf({ [A]: [did('execute', link)] })
    const { manifest, uncovered } = generalize(recording, { ...world, lookup }, { acceptDangerous: false })
    expect(manifest).toEqual({ exec: ['/etc/alternatives/which'] })
    expect(uncovered).toEqual([])
  })

  test('system paths are spelled in full, and collapsed only deep down', () => {
    const deep = ['/usr/share/fonts/a', '/usr/share/fonts/b', '/usr/share/fonts/c']
    const flat = ['/etc/a', '/etc/b', '/etc/c']
    expect(
      alone(
        [...deep, ...flat].map((path) => did('read', path)),
        [...deep, ...flat],
      ),
    ).toEqual({ read: ['/etc/a', '/etc/b', '/etc/c', '/usr/share/fonts/', BUT] })
  })
})

describe('secrets', () => {
  test('one test lists the project, another reads its secrets: neither they nor later ones are granted', () => {
    const { manifest, files, dangers } = of(
      { [A]: [did('read', '/p', dir)], [B]: [did('read', '/p/.env'), did('read', '/p/.git/config')] },
      ['/p/.env', '/p/.git/config', '/p/a.ts'],
    )
    const own = { read: ['./', '!.git/config', BUT] }
    expect([manifest, files]).toEqual([{}, { [A]: own }])
    expect(dangers.map(({ entry }) => entry)).toEqual(['.env', '.git/config'])
  })

  test('in a directory that a test made and took away, a name says nothing', () => {
    const accesses = [
      did('write', '/p/test/out', { operation: 'create-directory', ...made }),
      did('write', '/p/test/out/.env', made),
      did('read', '/p/test/out/.env'),
    ]
    expect(of({ [A]: accesses }, ['/p/test/a.test.ts'])).toMatchObject({
      manifest: { write: ['test/out/'] },
      dangers: [],
    })
  })

  test('what a name may be that chance made', () => {
    expect(alone([did('write', '/p/cache/17321649012', made)], ['/p/cache/readme'])).toEqual({
      write: ['cache/*', BUT],
    })
    expect(alone([did('write', '/p/log-4711.txt', made)], ['/p/x'])).toEqual({ write: ['log-*.txt'] })
  })
})

test('programs by their names on PATH, others by their paths', () => {
  const disk = ['/usr/bin/git', '/p/run.sh', '/usr/lib/git-core/git-remote']
  expect(
    alone(
      [did('execute', '/usr/bin/git'), did('execute', '/p/run.sh'), did('execute', '/usr/lib/git-core/git-remote')],
      disk,
    ),
  ).toEqual({ exec: ['./run.sh'], use: ['git'] })
})

describe('presets', () => {
  const core = did('execute', '/usr/lib/git-core/git-upload-pack')
  const git = [did('execute', '/usr/bin/git'), core]

  test('what a program needs is its name, where it stands for more than one entry', () => {
    const disk = ['/usr/bin/git', '/usr/lib/git-core/git-upload-pack']
    expect(alone(git, disk)).toEqual({ use: ['git'] })
    expect(alone(git.slice(0, 1), disk)).toEqual({ exec: ['git'] })
  })

  test('where the tests need what it refuses, it is not taken', () => {
    const disk = ['/usr/bin/git', '/usr/lib/git-core/git-upload-pack', '/home/me/.gitconfig']
    const recording = recordingOf({ [A]: [...git, did('read', '/home/me/.gitconfig')] })
    const found = (unneeded: readonly string[]) =>
      generalize(recording, worldOf(disk), { acceptDangerous: false, unneeded: new Set(unneeded) })
    expect(found([])).toMatchObject({ manifest: { exec: ['git', '/usr/lib/git-core/git-upload-pack'] } })
    expect(found(['<home>/.gitconfig'])).toMatchObject({ manifest: { use: ['git'] }, dangers: [] })
  })

  test('a database, and what lies beside it', () => {
    const files = ['a.db', 'a.db-wal', 'a.db-shm'].map((name) => did('write', `/p/data/${name}`, made))
    expect(alone(files, ['/p/data/kept'])).toEqual({ use: ['sqlite:data/a.db'] })
  })

  test('a server of this machine, however it was reached', () => {
    expect(alone([connected('127.0.0.1', 5432), spoke('/run/postgresql/.s.PGSQL.5432')])).toEqual({
      use: ['postgres'],
    })
  })
})

describe('addresses', () => {
  test('a port that the system chose is any free port, a fixed one is itself', () => {
    expect(
      alone([connected('127.0.0.1', 0, 'listen'), connected('::', 8080, 'listen'), connected('127.0.0.1', 5432)]),
    ).toEqual({ connect: ['tcp:127.0.0.1:5432'], listen: ['tcp:127.0.0.1:0', 'tcp:[::]:8080'] })
  })

  test('ports that differ from run to run are a range; ports that somebody wrote down are those', () => {
    expect(alone([connected('127.0.0.1', 43_211), connected('127.0.0.1', 51_000)])).toEqual({
      connect: ['tcp:127.0.0.1:32768-65535'],
    })
    expect(alone([5432, 6379, 27_017].map((port) => connected('127.0.0.1', port)))).toEqual({
      connect: ['tcp:127.0.0.1:27017', 'tcp:127.0.0.1:5432', 'tcp:127.0.0.1:6379'],
    })
    // As get-port does: asked of the system, and taken by its number.
    expect(alone([connected('127.0.0.1', 0, 'listen'), connected('127.0.0.1', 43_211, 'listen')])).toEqual({
      listen: ['tcp:127.0.0.1:0', 'tcp:127.0.0.1:32768-65535'],
    })
    const many = Array.from({ length: 8 }, (_, index) => 3000 + index)
    expect(alone(many.map((port) => connected('127.0.0.1', port, 'listen')))).toEqual({
      listen: ['tcp:127.0.0.1:1024-65535'],
    })
    expect(alone([40_001, 40_002].map((port) => connected('192.0.2.1', port)))).toEqual({
      connect: ['tcp:192.0.2.1:40001', 'tcp:192.0.2.1:40002'],
    })
  })

  test('a host is its name, and the name server comes with it', () => {
    expect(
      alone([...connectedTo('example.com', '192.0.2.1', 443), ...connectedTo('example.com', '192.0.2.2', 443)]),
    ).toEqual({ connect: ['tcp:example.com:443'] })
    expect(of({ [A]: connectedTo('example.com', '192.0.2.1', 443) }).uncovered).toEqual([])
    // A name of this machine, too: elsewhere it is another one's.
    expect(alone(connectedTo('db', '127.0.0.1', 5432))).toEqual({ connect: ['tcp:db:5432'] })
    expect(alone([...connectedTo('db', '192.0.2.1', 5432), connected('192.0.2.9', 80)])).toEqual({
      connect: ['tcp:192.0.2.9:80', 'tcp:db:5432'],
    })
  })

  test('what was looked up and not reached is its name all the same; the port, where nobody said it, is any, and says so', () => {
    expect(alone([lookedUp('example.com', 443)])).toEqual({ connect: ['tcp:example.com:443'] })
    expect(alone([lookedUp('db.example')])).toEqual({
      connect: [{ entry: 'tcp:db.example:*', why: 'looked up only: no port is known' }],
    })
    expect(of({ [A]: [lookedUp('db.example')] }).uncovered).toEqual([])
  })

  test('a host that gives the machine away is dangerous by its name and by its address', () => {
    const { manifest, dangers } = of({
      [A]: [
        lookedUp('metadata.google.internal', 80),
        lookedUp('harmless.example', 443),
        ...connectedTo('harmless.example', '169.254.169.254', 80),
      ],
    })
    expect(manifest).toEqual({})
    expect(dangers.map(({ entry }) => entry)).toEqual([
      'tcp:harmless.example:443',
      'tcp:harmless.example:80',
      'tcp:metadata.google.internal:80',
    ])
  })

  test('one port is that port, however high', () => {
    expect(alone([connected('127.0.0.1', 50_051)])).toEqual({ connect: ['tcp:127.0.0.1:50051'] })
    expect(of({ [A]: [connected('127.0.0.1', 50_051)], [B]: [connected('127.0.0.1', 50_051)] }).manifest).toEqual({
      connect: ['tcp:127.0.0.1:50051'],
    })
  })

  test('this machine by both its addresses is localhost', () => {
    expect(alone([connected('127.0.0.1', 9), connected('::1', 9)])).toEqual({ connect: ['tcp:localhost:9'] })
  })

  test('sockets by path, and those of the temporary directory', () => {
    expect(alone([spoke('/run/postgresql/.s.PGSQL.5432'), spoke('/tmp/vitest-seccomp-x1/a/s')])).toEqual({
      connect: ['unix:/run/postgresql/.s.PGSQL.5432', 'unix:<tmp>/**'],
    })
  })
})

describe('who may', () => {
  const read = (name: string) => did('read', `/p/${name}`)
  const disk = ['/p/one', '/p/all', '/p/test/db/x']

  test('what all files need is for all, what one needs is for that one', () => {
    const { manifest, files } = of({ [A]: [read('all'), read('one')], [B]: [read('all')], [C]: [read('all')] }, disk)
    expect(manifest).toEqual({ read: ['all'] })
    expect(files).toEqual({ [A]: { read: ['one'] } })
  })

  test('what different files use is put together only where it lies side by side', () => {
    const there = ['/p/test/a/x', '/p/test/b/x', '/p/test/c/x', '/p/data/1', '/p/data/2', '/p/data/3']
    const { manifest, files } = of(
      {
        [A]: [did('read', '/p/test/a/x'), did('read', '/p/data/1')],
        [B]: [did('read', '/p/test/b/x'), did('read', '/p/data/2')],
        [C]: [did('read', '/p/test/c/x'), did('read', '/p/data/3')],
      },
      there,
    )
    expect(manifest).toEqual({ read: ['data/', BUT] })
    expect(files).toEqual({ [A]: { read: ['test/a/x'] }, [B]: { read: ['test/b/x'] }, [C]: { read: ['test/c/x'] } })
  })

  test('a directory of test files that all need it is named as such', () => {
    const db = [did('read', '/p/one')]
    const { manifest, files } = of(
      { 'test/db/a.test.ts': db, 'test/db/b.test.ts': db, [A]: [], [B]: [], [C]: [] },
      disk,
    )
    expect(manifest).toEqual({})
    expect(files).toEqual({ 'test/db/**': { read: ['one'] } })
  })

  test('what five files use that share no directory is for all, and what most of a directory use for that', () => {
    const all = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [`test/${index}/x.test.ts`, index < 5 ? [read('one')] : []]),
    )
    expect(of(all, disk)).toMatchObject({ manifest: { read: ['one'] }, files: {} })
    const some = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [
        `${index < 4 ? 'a' : 'b'}/${index}.test.ts`,
        index < 2 ? [read('one')] : [],
      ]),
    )
    expect(of(some, disk).files).toEqual({ 'a/**': { read: ['one'] } })
  })

  test('how many test files it was used by is its reason, and how much of it was used is counted', () => {
    const files = Array.from({ length: 10 }, (_, index) => `/p/data/${index}`)
    const accesses = files.slice(0, 9).map((path) => did('read', path))
    const found = generalize(
      recordingOf({ [A]: [...accesses, read('one')], [B]: accesses }),
      worldOf([...disk, ...files]),
      {
        acceptDangerous: false,
        reasons: true,
      },
    )
    expect(found.manifest).toEqual({ read: [{ entry: 'data/', why: 'used by 2 test files' }, BUT] })
    expect(found.tightness).toEqual({ opened: 11, used: 10 })
  })

  test('one file of many that ran alone speaks for itself only', () => {
    const recording = recordingOf({ [A]: [read('one')] }, { testFiles: [A, B, C] })
    expect(generalize(recording, worldOf(disk), { acceptDangerous: false })).toMatchObject({
      manifest: {},
      files: { [A]: { read: ['one'] } },
    })
  })
})

describe('what is dangerous', () => {
  test.each(['1a2b3c4d', 'abcdefab', '12345678'])(
    'a directory with a name by chance, deps_temp_%s, is moved in the next run as well',
    (chance) => {
      const vite = '/p/node_modules/.vite'
      const of = (hash: string): readonly LedgerLine[] => [
        did('write', `${vite}/deps_temp_${hash}`, { operation: 'create-directory', ...made }),
        did('write', `${vite}/deps_temp_${hash}/package.json`, made),
        did('move', `${vite}/deps_temp_${hash}`, { operation: 'rename', ...dir }),
        did('move', `${vite}/deps`, { operation: 'rename', ...made }),
      ]
      const world = worldOf([`${vite}/deps/package.json`])
      const { manifest } = generalize(recordingOf({ [A]: of(chance) }), world, { acceptDangerous: true })
      const why = 'DANGEROUS: what is written there is loaded by later runs'
      expect(manifest).toEqual({
        write: ['deps/', 'deps_temp_*/'].map((name) => ({ entry: `node_modules/.vite/${name}`, why })),
      })
      const { lists } = bindManifest(parseOptions({ manifest }).manifest, {
        root: '/p',
        workspace: '/p',
        home: '/home/me',
        searchPath: [],
        lookup: world.lookup,
      })
      const policy = compilePolicy({ mode: 'enforce', lists, sockets: [] })
      for (const { request } of of('0f1e2d3c'))
        expect(request.kind === 'path' && decide(policy, request).allowed).toBe(true)
    },
  )

  const accesses = [
    did('read', '/home/me/.npmrc'),
    did('read', '/', dir),
    spoke('/var/run/docker.sock'),
    connected('169.254.169.254', 80),
    did('read', '/p/ok'),
  ]
  const disk = ['/home/me/.npmrc', '/p/ok', '/etc/hosts']

  test('is told of and not granted', () => {
    const { manifest, dangers } = of({ [A]: accesses }, disk)
    expect(manifest).toEqual({ read: ['ok'] })
    expect(dangers).toEqual([
      { list: 'connect', entry: 'tcp:169.254.169.254:80', why: "this machine's cloud credentials", users: [A] },
      { list: 'connect', entry: 'unix:/var/run/docker.sock', why: 'whoever talks to it owns this machine', users: [A] },
      { list: 'read', entry: '<home>/.npmrc', why: 'it may hold a password or token', users: [A] },
      { list: 'read', entry: '/', why: 'the whole file system', users: [A] },
    ])
  })

  test('is granted where somebody says so, with the reason beside it', () => {
    expect(of({ [A]: accesses }, disk, true).manifest).toEqual({
      connect: [
        { entry: 'tcp:169.254.169.254:80', why: "DANGEROUS: this machine's cloud credentials" },
        { entry: 'unix:/var/run/docker.sock', why: 'DANGEROUS: whoever talks to it owns this machine' },
      ],
      read: [
        'ok',
        { entry: '<home>/.npmrc', why: 'DANGEROUS: it may hold a password or token' },
        { entry: '/', why: 'DANGEROUS: the whole file system' },
      ],
    })
  })
})

test('a secret whose name chance made is granted by that name, and told by it; a directory that chance made is any such one', () => {
  const accesses = ['/p/.env.12345', '/p/test/tmp-Qx7f3Z/.env', '/home/me/.cache/tool-Qx7f3Z/x'].map((path) =>
    did('write', path, made),
  )
  const entries = ['.env.12345', 'test/tmp-*/.env', '<home>/.cache/tool-*/x']
  const { manifest, dangers } = of({ [A]: accesses }, ['/p/.env.production'], true)
  expect(manifest.write?.map((one) => (typeof one === 'string' ? one : one.entry))).toEqual(entries)
  expect(dangers.map(({ entry }) => entry)).toEqual(entries)
})

test('what no entry can say is told', () => {
  const dangling = worldOf([])
  const world = {
    ...dangling,
    lookup: (path: Parameters<typeof dangling.lookup>[0]) =>
      path === '/p/link' ? { kind: 'dangling' as const, target: 'nowhere' } : dangling.lookup(path),
  }
  const found = generalize(recordingOf({ [A]: [did('write', '/p/link')] }), world, { acceptDangerous: false })
  expect(found).toMatchObject({ manifest: {}, uncovered: ['open /p/link for writing'] })
})
