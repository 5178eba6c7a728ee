import { describe, expect, test } from 'vitest'
import { asGlob, withoutChance } from '../../src/cli/record/volatile.js'
import { dangerOfEntry, pathDanger, secretsIn } from '../../src/policy/dangers.js'
import { bytePath } from '../../src/policy/request.js'
import { socketDanger } from '../../src/policy/socket-dangers.js'
import { worldOf } from '../cli/record/fake-world.js'

const places = { root: '/home/me/work/p', workspace: '/home/me/work', home: '/home/me' }

describe('a path', () => {
  test.each([
    ['/home/me/.npmrc', 'read', 'it may hold a password or token'],
    ['/home/me/.ssh/id_ed25519', 'read', 'a private key'],
    ['/home/me/.aws/credentials', 'read', 'credentials'],
    ['/home/me/notes.txt', 'read', 'it lies in your home directory'],
    ['/home/me/work/p/.env', 'read', 'environment files hold secrets'],
    ['/home/me/work/p/.env.local', 'read', 'environment files hold secrets'],
    ['/home/me/work/p/.git/config', 'read', 'checkouts in CI keep a token there'],
    ['/home/me/work/p/.git/hooks/pre-commit', 'write', 'hooks and settings of git run outside the tests'],
    ['/home/me/work/p/node_modules/x/index.js', 'write', 'what is written there is loaded by later runs'],
    ['/tmp/node-compile-cache/v24/x', 'write', 'what is kept there is run in place of its source'],
    ['/tmp/other/x', 'write', undefined],
    ['/home/me/work/p/vitest.config.ts', 'write', "Vitest's own process loads it"],
    ['/home/me/work/p/packages/a/vite.config.mts', 'write', "Vitest's own process loads it"],
    ['/home/me/work/p/vitest.workspace.json', 'write', "Vitest's own process loads it"],
    ['/home/me/work/p/vitest.unit.config.js', 'write', "Vitest's own process loads it"],
    ['/home/me/work/p/seccomp.manifest.json', 'write', "Vitest's own process loads it"],
    ['/home/me/work/p/package.json', 'write', 'what it names is run outside the tests'],
    ['/home/me/work/.github/workflows/ci.yml', 'write', 'what it names is run outside the tests'],
    ['/home/me/work/p/.vscode', 'write', 'what it names is run outside the tests'],
    ['/etc/shadow', 'read', 'secrets of this machine'],
    ['/run/secrets/token', 'read', 'secrets of this container or service'],
    ['/dev/sda1', 'read', 'the disks of this machine'],
    ['/proc/1/environ', 'read', "another process's memory, files or environment"],
    ['/opt/x', 'write', 'it lies outside the project'],
    ['/usr/bin/sudo', 'exec', 'it runs things as somebody else, or somewhere else'],
  ] as const)('%s, %s: %s', (path, list, why) => {
    expect(pathDanger(bytePath(path), list, false, places)).toBe(why)
  })

  test.each([
    ['/', 'the whole file system'],
    ['/home', 'everything below it, your project and more'],
    ['/home/me', 'everything below it, your project and more'],
    ['/etc', 'all of /etc'],
    ['/tmp', 'all of /tmp'],
  ])('all of %s: %s', (path, why) => {
    expect(pathDanger(bytePath(path), 'read', true, places)).toBe(why)
  })

  test.each([
    ['/home/me/work/p/src/a.ts', 'write'],
    ['/home/me/work/shared/a.ts', 'read'],
    ['/home/me/work/p/.env.example', 'read'],
    ['/etc/passwd', 'read'],
    ['/tmp/x', 'write'],
    ['/usr/bin/git', 'exec'],
    ['/proc/self/environ', 'read'],
    ['/home/me/work/p/test/fixtures/.git/config', 'write'],
    ['/home/me/work/p/test/node_modules/x', 'write'],
    ['/home/me/work/p/test/package.json', 'write'],
    ['/home/me/work/p/package.json', 'read'],
  ] as const)('%s is none to %s', (path, list) => {
    expect(pathDanger(bytePath(path), list, false, places)).toBeUndefined()
  })
})

test.each([
  [{ family: 'inet', protocol: 'tcp', host: '169.254.169.254', port: 80 }, "this machine's cloud credentials"],
  [{ family: 'inet', protocol: 'tcp', host: 'fd00:ec2::254', port: 80 }, "this machine's cloud credentials"],
  [{ family: 'unix', path: bytePath('/var/run/docker.sock') }, 'whoever talks to it owns this machine'],
  [{ family: 'unix', path: bytePath('/tmp/ssh-XXXXabc/agent.123') }, 'it signs with your keys'],
  [{ family: 'unix', path: bytePath('/run/user/1000/bus') }, 'it starts programs outside the tests'],
  [{ family: 'abstract', name: bytePath('/tmp/.X11-unix/X0') }, 'your screen and keyboard'],
  [{ family: 'unix', path: bytePath('/run/postgresql/.s.PGSQL.5432') }, undefined],
  [{ family: 'inet', protocol: 'tcp', host: '10.0.0.1', port: 80 }, undefined],
] as const)('the socket %j: %s', (address, why) => {
  expect(socketDanger(address, 'connect', places)).toBe(why)
})

test.each([
  ['read', '/', 'the whole file system'],
  ['read', '<home>/', 'everything below it, your project and more'],
  ['read', '<home>/.cache/**', 'it lies in your home directory'],
  ['read', '.env', 'environment files hold secrets'],
  ['read', 'config/{a,.env}', 'environment files hold secrets'],
  ['read', 'config/{a/.npmrc,b}', 'it may hold a password or token'],
  ['read', 'fixtures/**/.ss?/*', 'credentials'],
  ['read', '.en?', 'environment files hold secrets'],
  ['read', 'test/**', undefined],
  ['read', 'test/fixtures/*', undefined],
  ['read', 'test/fixtures/{a,b}/*.json', undefined],
  ['read', '.git/', 'checkouts in CI keep a token there'],
  ['read', '/etc/ssl/', 'secrets of this machine'],
  ['read', '/etc/ssl/certs/', undefined],
  ['read', '/var/run/', 'secrets of this container or service'],
  ['read', '/home/you/', "it lies in somebody's home directory"],
  ['read', '/proc/1/task/1/environ', "another process's memory, files or environment"],
  ['write', './', 'what it names is run outside the tests'],
  ['write', '**', 'what it names is run outside the tests'],
  ['write', 'pack?ge.json', 'what it names is run outside the tests'],
  ['write', '.githu?/**', 'what it names is run outside the tests'],
  ['write', '*.ts', "Vitest's own process loads it"],
  ['write', '.claude/', 'what it names is run outside the tests'],
  ['write', 'CLAUDE.local.md', 'what it names is run outside the tests'],
  ['write', '<workspace>/Makefile', 'what it names is run outside the tests'],
  ['write', '**/__snapshots__/**', undefined],
  ['write', '**/*.snap', undefined],
  ['write', 'test/output/', undefined],
  ['write', '.cache/', undefined],
  ['write', '.yarn/cache/', undefined],
  ['write', 'dist/**/*.js', undefined],
  ['read', './', undefined],
  ['read', '!.env', undefined],
  ['read', '../../../../etc/shadow', 'secrets of this machine'],
  ['write', 'node_modules/.cache/', 'what is written there is loaded by later runs'],
  ['write', '<tmp>/', undefined],
  ['exec', 'sudo', 'it runs things as somebody else, or somewhere else'],
  ['exec', 'git', undefined],
  ['connect', 'tcp:*:443', 'any address anywhere'],
  ['connect', 'tcp:0.0.0.0/0:443', 'any address anywhere'],
  ['connect', 'tcp:128.0.0.0/1:443', 'any address anywhere'],
  ['connect', 'tcp:[2000::]/3:443', 'any address anywhere'],
  ['connect', 'tcp:169.254.169.252/30:80', "this machine's cloud credentials"],
  ['connect', 'tcp:169.254.169.254:80', "this machine's cloud credentials"],
  ['connect', 'tcp:10.0.0.0/8:443', undefined],
  ['connect', 'tcp:metadata.google.internal:80', "this machine's cloud credentials"],
  ['connect', 'unix:/run/docker.sock', 'whoever talks to it owns this machine'],
  ['connect', 'unix:../../../../run/docker.sock', 'whoever talks to it owns this machine'],
  ['connect', 'unix:<file>/../../../run/docker.sock', 'whoever talks to it owns this machine'],
  ['connect', 'tcp:169.254.170.23:80', "this machine's cloud credentials"],
  ['connect', 'tcp:[fd20:ce::254]:80', "this machine's cloud credentials"],
  ['connect', 'tcp:[::ffff:169.254.169.254]:80', "this machine's cloud credentials"],
  ['connect', 'tcp:[64:ff9b::a9fe:a9fe]:80', "this machine's cloud credentials"],
  ['connect', 'udp:169.254.20.10:53', undefined],
  ['connect', 'tcp:docker:2375', 'whoever talks to it owns this machine'],
  ['connect', 'tcp:localhost:2000-3000', undefined],
  ['connect', 'unix:@/tmp/.X11-unix/X0', 'your screen and keyboard'],
  ['connect', 'unix:@/containerd-shim/moby/x/shim.sock', 'whoever talks to it owns this machine'],
  ['connect', 'unix:/run/user/1000/systemd/private', 'it starts programs outside the tests'],
  ['connect', 'unix:/run/user/1000/wayland-0', 'your screen and keyboard'],
  ['connect', 'unix:/run/user/1000/gcr/ssh', 'it signs with your keys'],
  ['connect', 'unix:/run/user/1000/pulse/native', 'it belongs to your session'],
  ['connect', 'unix:/tmp/tmux-1000/*', 'it starts programs outside the tests'],
  ['connect', 'unix:/tmp/app.sock', undefined],
  ['connect', 'unix:/opt/app/app.sock', 'a service outside the project acts with rights of its own'],
  ['connect', 'unix:/opt/app/*', 'a service outside the project acts with rights of its own'],
  ['listen', 'unix:/opt/app/app.sock', undefined],
  ['connect', 'unix:<home>/.ssh/agent/s.a.agent.b', 'it signs with your keys'],
  ['connect', 'unix:<file>/app.sock', undefined],
  ['connect', 'unix:<home>/.gnupg/S.gpg-agent', 'it signs with your keys'],
  ['connect', 'unix:<home>/.gnupg/S.*', 'it signs with your keys'],
  ['connect', 'unix:<home>/.docker/run/*', 'whoever talks to it owns this machine'],
  ['connect', 'unix:/**', 'whoever talks to it owns this machine'],
  ['connect', 'unix:/var/run/docker.soc[k]', 'whoever talks to it owns this machine'],
  ['connect', 'unix:/run/user/1234/{b,c}us', 'it starts programs outside the tests'],
  ['connect', 'unix:<tmp>/../.X11-unix/X0', 'it leads out of the temporary directory'],
  ['connect', 'unix:<tmp>/**', undefined],
  ['connect', 'unix:sockets/*', undefined],
  ['connect', 'unix:/run/postgresql/*', undefined],
  ['read', '<tmp>/../x', 'it leads out of the temporary directory'],
  ['connect', 'tcp:localhost:5432', undefined],
] as const)('the entry %s: %s: %s', (list, entry, why) => {
  expect(dangerOfEntry(list, entry, places)).toBe(why)
})

test('a glob below a home with a letter beyond ASCII', () => {
  const far = { ...places, home: '/home/jürgen' }
  expect(dangerOfEntry('connect', 'unix:<home>/.docker/run/*', far)).toBe('whoever talks to it owns this machine')
})

test('secrets in a directory, but not in what is installed', () => {
  const { names } = worldOf(['/p/a', '/p/.env', '/p/deep/er/id_rsa', '/p/node_modules/x/.npmrc', '/p/.aws/config'])
  expect(secretsIn(bytePath('/p'), names)).toEqual(['/p/.aws', '/p/.env', '/p/deep/er/id_rsa'])
})

describe('a name', () => {
  test.each([
    ['tmp-aB3dE9', 'tmp-*'],
    ['demoXk29fQ', '*'],
    ['x.1732164901234.tmp', 'x.*.tmp'],
    ['f3b1c2d4-1111-4222-8333-444455556666.json', '*.json'],
    ['a-4711-4712', 'a-*'],
    ['0f9a8b7c6d5e4f30', '*'],
  ])('%s of what is gone becomes %s', (name, stable) => {
    expect(withoutChance(name, true).replaceAll('\0', '*')).toBe(stable)
  })

  test.each([
    'output',
    'test-output',
    'testOutput',
    'utf8.txt',
    'sha256',
    'fixture12',
    'a.test.ts',
    'README',
    'package.json',
    'v1',
    '42',
    'café',
  ])('%s says what it says', (name) => {
    expect(withoutChance(name, true)).toBe(name)
  })

  test('what is still there is believed more readily', () => {
    expect(withoutChance('tmp-aB3dE9', false)).toBe('tmp-aB3dE9')
    expect(withoutChance('chunk-0f9a8b7c6d5e4f30.js', false).replaceAll('\0', '*')).toBe('chunk-*.js')
  })

  test('as a glob that says little more', () => {
    expect(
      ['/p/link.html', '/p/link', '/p/.x', '/p/a\0'].map((path) => asGlob(bytePath(path)).replaceAll('\0', '*')),
    ).toEqual(['/p/link*.html', '/p/link*', '/p/.x*', '/p/a*'])
  })
})
