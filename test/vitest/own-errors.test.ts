/** When a test's own error gives way to ours, and what is taken for frames. */
import { expect, test } from 'vitest'
import { frames, framesOf, isInCode, isRefusalOf, unwrapped } from '../../src/vitest/own-errors.js'
import type { Violation } from '../../src/vitest/violations.js'

const violation: Violation = { call: 'openat', access: 'read', resource: '/r/real', asked: '/r/link', message: '' }
const error = (more: object = {}): object => ({
  message: "EACCES: permission denied, open '/r/link'",
  code: 'EACCES',
  path: '/r/link',
  syscall: 'open',
  errno: -13,
  ...more,
})

test.each<[string, unknown, boolean]>([
  ['the refusal itself', error(), true],
  ['by its real path', error({ path: '/r/real', message: "EACCES: permission denied, open '/r/real'" }), true],
  [
    'not in canonical form',
    error({ path: '/r/./x/../link', message: "EACCES: permission denied, open '/r/./x/../link'" }),
    true,
  ],
  ['of another path', error({ path: '/r/other', message: "EACCES: permission denied, open '/r/other'" }), false],
  ['with words of its own', error({ message: 'no config at /r/link' }), false],
  ['of another kind', error({ code: 'EMFILE', message: "EMFILE: too many open files, open '/r/link'" }), false],
  ['without a path', { message: 'EACCES', code: 'EACCES' }, false],
  ['no error at all', 'EACCES', false],
  ['null', null, false],
  ['a path that is none', error({ path: 3 }), false],
])('%s', (_, given, isSame) => expect(isRefusalOf(given, violation)).toBe(isSame))

test('an address is not a path', () => expect(isRefusalOf(error(), { ...violation, access: 'connect' })).toBe(false))

test.each<[string, Partial<Violation>, object, boolean]>([
  [
    'a program by its name',
    { access: 'execute', resource: '/usr/bin/dash', asked: '/usr/bin/sh' },
    { code: 'EACCES', syscall: 'spawn sh', path: 'sh', message: 'spawn sh EACCES' },
    true,
  ],
  [
    'a program by its path',
    { access: 'execute', resource: '/r/x.sh' },
    { code: 'EACCES', syscall: 'spawnSync /r/x.sh', path: '/r/x.sh', message: 'spawnSync /r/x.sh EACCES' },
    true,
  ],
  [
    'the script of an interpreter',
    { access: 'execute', resource: '/usr/bin/dash', asked: '/bin/sh', starts: '/r/x.sh' },
    { code: 'EACCES', syscall: 'spawnSync /r/x.sh', path: '/r/x.sh', message: 'spawnSync /r/x.sh EACCES' },
    true,
  ],
  [
    'a library',
    { access: 'read', resource: '/r/x.node' },
    {
      code: 'ERR_DLOPEN_FAILED',
      message: '/r/x.node: cannot open shared object file: Permission denied',
    },
    true,
  ],
  [
    'what a library needs',
    { access: 'read', resource: '/r/x.node' },
    {
      code: 'ERR_DLOPEN_FAILED',
      message: 'libx.so.1: cannot open shared object file: No such file or directory',
    },
    false,
  ],
  [
    'any port of an address',
    { access: 'listen', resource: 'udp:0.0.0.0:0' },
    { code: 'EACCES', syscall: 'bind', address: '0.0.0.0', message: 'bind EACCES 0.0.0.0' },
    true,
  ],
  [
    'the second try of a server that names no address',
    { access: 'listen', resource: 'tcp:[::]:80' },
    {
      code: 'EACCES',
      syscall: 'listen',
      address: '0.0.0.0',
      port: 80,
      message: 'listen EACCES: permission denied 0.0.0.0:80',
    },
    true,
  ],
  [
    'an abstract name',
    { access: 'connect', resource: 'unix:@bus' },
    { code: 'EACCES', syscall: 'connect', address: '\0bus', message: 'connect EACCES \0bus' },
    true,
  ],
  [
    'another program',
    { access: 'execute', resource: '/usr/bin/git' },
    { code: 'EACCES', syscall: 'spawn sh', path: 'sh', message: 'spawn sh EACCES' },
    false,
  ],
  [
    'a host that is looked up',
    { access: 'connect', resource: 'tcp:one.example:443' },
    {
      code: 'EAI_AGAIN',
      syscall: 'getaddrinfo',
      hostname: 'one.example',
      message: 'getaddrinfo EAI_AGAIN one.example',
    },
    true,
  ],
  [
    'another host',
    { access: 'connect', resource: 'tcp:one.example.org:443' },
    {
      code: 'EAI_AGAIN',
      syscall: 'getaddrinfo',
      hostname: 'one.example',
      message: 'getaddrinfo EAI_AGAIN one.example',
    },
    false,
  ],
  [
    'a resource',
    { access: 'acquire', resource: 'nope' },
    { name: 'AcquireError', message: "this test file has no resource 'nope': it has none" },
    true,
  ],
  [
    'another resource',
    { access: 'acquire', resource: 'nope' },
    { name: 'AcquireError', message: "this test file has no resource 'nop': it has none" },
    false,
  ],
  [
    'a peer',
    { access: 'connect', resource: 'tcp:127.0.0.1:80' },
    { code: 'EACCES', syscall: 'connect', address: '127.0.0.1', port: 80, message: 'connect EACCES 127.0.0.1:80' },
    true,
  ],
  [
    'a peer by IPv6',
    { access: 'connect', resource: 'tcp:[::1]:80' },
    { code: 'EACCES', syscall: 'connect', address: '::1', port: 80, message: 'connect EACCES ::1:80' },
    true,
  ],
  [
    'another port',
    { access: 'connect', resource: 'tcp:127.0.0.1:81' },
    { code: 'EACCES', syscall: 'connect', address: '127.0.0.1', port: 80, message: 'connect EACCES 127.0.0.1:80' },
    false,
  ],
  [
    'a unix socket',
    { access: 'connect', resource: 'unix:/run/x' },
    { code: 'EACCES', syscall: 'connect', address: '/run/x', message: 'connect EACCES /run/x' },
    true,
  ],
  [
    'a server',
    { access: 'listen', resource: 'tcp:127.0.0.1:80' },
    {
      code: 'EACCES',
      syscall: 'listen',
      address: '127.0.0.1',
      port: 80,
      message: 'listen EACCES: permission denied 127.0.0.1:80',
    },
    true,
  ],
])('%s', (_, of, given, isSame) =>
  expect(isRefusalOf(given, { ...violation, ...(of.asked === undefined ? { asked: '' } : {}), ...of })).toBe(isSame),
)

test('only lines that V8 writes as frames are kept, and not too many', () => {
  const given = [
    'Error: x',
    '    at one (/a.js:1:2)',
    'at zero',
    '    at \u001b[31mred (/a.js:1:2)',
    '  @/a.js:1:2',
    `    at ${'x'.repeat(600)}`,
    '    at /b.js:3:4',
  ].join('\n')
  expect(frames(given)).toBe('    at one (/a.js:1:2)\n    at /b.js:3:4')
  expect(frames('    at x (/a.js:1:2)\n'.repeat(100)).split('\n')).toHaveLength(30)
  expect([framesOf({ stack: given }), framesOf({}), framesOf(null), framesOf({ stack: 3 })]).toEqual([
    frames(given),
    '',
    '',
    '',
  ])
})

test('a directory is made with those above it', () => {
  const made: Violation = { call: 'mkdir', access: 'write', resource: '/r/out', message: '' }
  const told = (path: string) => ({
    code: 'EACCES',
    syscall: 'mkdir',
    path,
    message: `EACCES: permission denied, mkdir '${path}'`,
  })
  expect(['/r/out/deep', '/r/outer', '/r'].map((path) => isRefusalOf(told(path), made))).toEqual([true, false, false])
  expect(isRefusalOf(told('/r/out/deep'), { ...made, access: 'read' })).toBe(false)
})

test('what says nothing by itself stands for what it wraps', () => {
  const [one, other] = [error(), error({ path: '/r/real' })]
  const several = { name: 'AggregateError', message: '', errors: [one, other] }
  expect(unwrapped(several)).toEqual([one, other])
  expect(unwrapped({ name: 'TypeError', message: 'fetch failed', cause: several })).toEqual([one, other])
  expect(unwrapped({ name: 'TypeError', message: 'fetch failed', cause: one })).toEqual([one])
  for (const own of [
    one,
    'text',
    null,
    { name: 'Error', message: 'no settings', cause: one },
    { name: 'TypeError', message: 'fetch failed' },
    { ...several, message: 'none of them' },
    { ...several, errors: [] },
    { ...several, errors: Array.from({ length: 11 }, () => one) },
  ])
    expect(unwrapped(own)).toEqual([own])
})

test('frames of code', () => {
  expect(isInCode('    at x (/p/a.ts:1:2)\n    at node:net:1:2')).toBe(true)
  expect([undefined, '', '    at connect (node:net:1:2)'].map((stack) => isInCode(stack))).toEqual([
    false,
    false,
    false,
  ])
})
