import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bindManifest } from '../../src/policy/bind.js'
import { explain } from '../../src/policy/explain.js'
import { describeDenial } from '../../src/policy/message.js'
import { compilePolicy, decide } from '../../src/policy/policy.js'
import { bytePath, rawPath, type AccessRequest, type DenialReason } from '../../src/policy/request.js'
import type { PathAccess, SocketAddress } from '../../src/policy/request.js'
import { parseOptions } from '../../src/policy/schema.js'
import { suggest, type Suggestion } from '../../src/policy/suggest.js'

const context = { root: '/w/app', workspace: '/w', home: '/home/u', tmp: '/tmp/w1', searchPath: ['/usr/bin'] }
const lookup = (path: string) => ({ kind: path.endsWith('/git') ? 'file' : 'missing', real: rawPath(path) }) as const
const bindContext = { ...context, lookup }
const noGrant: DenialReason = { why: 'no-grant' }
const path = (access: PathAccess, text: string): AccessRequest => ({ kind: 'path', access, path: bytePath(text) })
const connect = (address: SocketAddress): AccessRequest => ({ kind: 'socket', access: 'connect', address })

const excluded = (exclusion: string): DenialReason => ({ why: 'excluded', exclusion })
const denial = (request: AccessRequest, reason: DenialReason) => ({
  request,
  reason,
  suggestion: suggest(context, request, reason),
})

/** Whether the suggested entry, written into a manifest, does allow the request. */
function helps({ key, entry }: Suggestion, request: AccessRequest): boolean {
  const { manifest } = parseOptions({ manifest: { [key]: [entry] } })
  const { lists, sockets, problems } = bindManifest(manifest, bindContext)
  return problems.length === 0 && decide(compilePolicy({ lists, sockets, mode: 'enforce' }), request).allowed
}

describe('the line to add', () => {
  test.each<[AccessRequest, string]>([
    [path('read', '/w/app/test/data.json'), "read: ['test/data.json']"],
    [path('look', '/w/app/x'), "read: ['x']"],
    [path('list', '/w/app/test'), "list: ['test/']"],
    [path('list', '/'), "list: ['/']"],
    [path('list', '/home/u'), "list: ['<home>/']"],
    [path('list', '/w/app/[id]'), "list: ['[[]id?/']"],
    [path('list', '/tmp/w1'), "list: ['<tmp>/']"],
    [path('list', '/tmp/w1/a'), "read: ['<tmp>/']"],
    [path('write', '/tmp/w1/a'), "write: ['<tmp>/']"],
    [path('write', '/tmp/w2/a'), "write: ['/tmp/w2/a']"],
    [path('read', '/w/lib/x'), "read: ['<workspace>/lib/x']"],
    [path('read', '/home/u/.npmrc'), "read: ['<home>/.npmrc']"],
    [path('read', '/etc/passwd'), "read: ['/etc/passwd']"],
    [path('move', '/w/app/out'), "write: ['out/']"],
    [path('move', '/w/app'), "write: ['./']"],
    [path('execute', '/usr/bin/git'), "exec: ['git']"],
    [path('execute', '/opt/git'), "exec: ['/opt/git']"],
    [path('execute', '/w/app/git'), "exec: ['./git']"],
    [path('read', "/w/app/it's [id].ts"), "read: ['it\\'s [[]id?.ts']"],
    [path('read', '/w/app/!a'), "read: ['./!a']"],
    [path('read', '/w/app/~/a'), "read: ['./~/a']"],
    [path('read', '/w/app/<tmp>/a'), "read: ['?tmp>/a']"],
    [connect({ family: 'inet', protocol: 'tcp', host: '127.0.0.1', port: 5432 }), "connect: ['tcp:127.0.0.1:5432']"],
    [connect({ family: 'inet', protocol: 'udp', host: '0:0:0:0:0:0:0:1', port: 53 }), "connect: ['udp:[::1]:53']"],
    [connect({ family: 'unix', path: rawPath('/tmp/w1/x.sock') }), "connect: ['unix:<tmp>/x.sock']"],
    [connect({ family: 'unix', path: rawPath('/w/app/x.sock') }), "connect: ['unix:x.sock']"],
    [connect({ family: 'abstract', name: rawPath('bus') }), "connect: ['unix:@bus']"],
    [connect({ family: 'abstract', name: rawPath('bus'.padEnd(107, '\0')) }), "connect: ['unix:@bus']"],
  ])('%j: %s', (request, line) => {
    const suggestion = suggest(context, request, noGrant)
    expect(suggestion.line).toBe(line)
    expect(helps(suggestion, request)).toBe(true)
  })

  test('has a slash for a directory, where that is known', () => {
    expect(suggest({ ...context, directory: true }, path('read', '/w/app/a'), noGrant).line).toBe("read: ['a/']")
  })

  test('is not an addition where no addition could win', () => {
    expect(suggest(context, path('read', '/w/app/a'), excluded('!a/')).line).toBe("remove '!a/' from read")
    expect(suggest(context, path('read', '/w/app/a/x'), excluded('!a/')).line).toBe("read: ['a/x']")
    expect(suggest(context, path('move', '/w/app/a'), { why: 'moves-excluded', exclusion: '!**/*.key' }).line).toBe(
      "remove '!**/*.key' from write",
    )
    // Names in a temporary directory are random, so that no entry below the exclusion is worth writing.
    expect(suggest(context, path('write', '/tmp/w1/out/a'), excluded('!<tmp>/out/')).line).toBe(
      "remove '!<tmp>/out/' from write",
    )
  })

  test('allows what was refused, whatever the name', () => {
    const special = fc.constantFrom(...'![]()*?{},+@|"\'~\\ \n^$a.\xff', '<tmp>', '\xc3\xa9')
    const name = fc
      .oneof(
        fc.string({ unit: 'binary-ascii', minLength: 1 }),
        fc.array(special, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('')),
      )
      .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..')
    fc.assert(
      fc.property(fc.constantFrom('/w/app/', '/w/app/sub/', '/tmp/w1/', '/w/', '/'), name, (dir, last) => {
        const request: AccessRequest = { kind: 'path', access: 'read', path: rawPath(dir + last) }
        const suggestion = suggest(context, request, noGrant)
        expect({ suggestion, helps: helps(suggestion, request) }).toEqual({ suggestion, helps: true })
      }),
      { numRuns: 3000 },
    )
  })
})

describe('the text of a violation', () => {
  test('says what was asked, what it is, why not, and what to write', () => {
    expect(
      describeDenial({
        ...denial(path('read', '/etc/passwd'), noGrant),
        operation: 'open',
        asked: bytePath('/w/app/link'),
        testFile: 'test/a.test.ts',
        testName: 'reads a secret',
      }),
    ).toBe(
      [
        'test/a.test.ts > reads a secret',
        '  refused: open /w/app/link for reading',
        '  that is: /etc/passwd',
        '  because: no entry covers it',
        "  to allow it, add to the manifest: read: ['/etc/passwd']",
      ].join('\n'),
    )
  })

  test('uses the words of the call', () => {
    expect(
      describeDenial({
        ...denial(path('write', '/w/app/a'), { why: 'weaker-grant', grant: './' }),
        operation: 'remove',
        audited: true,
      }),
    ).toBe(
      [
        '  recorded: remove /w/app/a',
        "  because: './' covers it, but not for writing",
        "  to allow it, add to the manifest: write: ['a']",
      ].join('\n'),
    )
  })

  test.each<[AccessRequest, DenialReason, string]>([
    [path('write', '/w/app/a/b'), excluded('!a/'), "open /w/app/a/b for writing|'!a/' excludes it"],
    [
      path('move', '/w/app/a'),
      { why: 'moves-excluded', exclusion: '!a/b/' },
      "move /w/app/a|moving it could carry something past '!a/b/'",
    ],
    [
      path('move', '/w/app/a'),
      { why: 'moves-uncovered', grant: 'a' },
      "move /w/app/a|'a' covers this name only, and a directory is moved with everything below it",
    ],
    [path('execute', '/usr/bin/git'), noGrant, 'run /usr/bin/git|no entry covers it'],
    [path('look', 'a'), { why: 'not-canonical' }, 'look at a|the path is not in canonical form'],
    [
      connect({ family: 'inet', protocol: 'tcp', host: '::1', port: 1 }),
      noGrant,
      'connect to tcp:[::1]:1|no entry covers it',
    ],
  ])('%j', (request, reason, expected) => {
    const [asked, because] = expected.split('|')
    expect(describeDenial(denial(request, reason))).toContain(`  refused: ${asked}\n  because: ${because}\n`)
  })

  test('lets no control character through', () => {
    const names = { testName: 'x\x1b]0;y\x07', testFile: 'a.ts' }
    const text = describeDenial({ ...denial(path('read', '/a\x1b[2J$&'), noGrant), ...names })
    // oxlint-disable-next-line no-control-regex -- the point of the test
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f]/)
    expect(text).toContain('open /a\\x1b[2J$& for reading')
  })
})

test('explain names the rule, or why none', () => {
  const { manifest } = parseOptions({ manifest: { read: ['a/'], write: ['a/', '!a/b/'] } })
  const policy = compilePolicy({ lists: bindManifest(manifest, bindContext).lists, sockets: [], mode: 'enforce' })
  const textOf = (access: PathAccess, text: string) => explain(policy, path(access, text)).text
  expect(textOf('read', '/w/app/a/x')).toBe("open /w/app/a/x for reading: allowed, by 'a/' (manifest.read[0])")
  expect(textOf('look', '/w')).toBe("look at /w: allowed, it leads to 'a/' (manifest.read[0])")
  expect(textOf('write', '/w/app/a/b')).toBe("open /w/app/a/b for writing: refused, '!a/b/' excludes it")
})

describe('what is dangerous', () => {
  test.each<[AccessRequest, string]>([
    [path('read', '/w/app/.env'), 'environment files hold secrets'],
    [path('look', '/w/app/sub/.npmrc'), 'it may hold a password or token'],
    [path('read', '/etc/shadow'), 'secrets of this machine'],
    [path('read', '/home/u/notes'), 'it lies in your home directory'],
    [path('write', '/w/app/vitest.config.ts'), "Vitest's own process loads it"],
    [path('write', '/w/app/node_modules/x/index.js'), 'what is written there is loaded by later runs'],
    [path('write', '/w/app/.git/hooks/pre-commit'), 'hooks and settings of git run outside the tests'],
    [path('execute', '/usr/bin/sudo'), 'it runs things as somebody else, or somewhere else'],
    [
      connect({ family: 'inet', protocol: 'tcp', host: '169.254.169.254', port: 80 }),
      "this machine's cloud credentials",
    ],
    [connect({ family: 'unix', path: rawPath('/var/run/docker.sock') }), 'whoever talks to it owns this machine'],
  ])('%j: %s', (request, danger) => {
    expect(suggest(context, request, noGrant).danger).toBe(danger)
  })

  test('a whole file system, and a project that is listed from above', () => {
    expect(suggest({ ...context, directory: true }, path('read', '/'), noGrant).danger).toBe('the whole file system')
    expect(suggest({ ...context, directory: true }, path('read', '/w/app/src'), noGrant).danger).toBeUndefined()
  })

  test("what is a worker's own, or only runs, is not", () => {
    expect(suggest(context, path('write', '/tmp/w1/.env'), noGrant).danger).toBeUndefined()
    expect(suggest(context, path('execute', '/home/u/.nvm/bin/node'), noGrant).danger).toBeUndefined()
  })

  test('is told apart from the rest, with what else can be done', () => {
    expect(describeDenial(denial(path('read', '/w/app/.env'), noGrant))).toBe(
      [
        '  refused: open /w/app/.env for reading',
        '  because: no entry covers it',
        '  dangerous: environment files hold secrets',
        "  to have it refused and go on: deny: ['.env']",
        "  to allow it all the same: read: ['.env']",
      ].join('\n'),
    )
    expect(
      describeDenial(denial(path('write', '/w/app/vite.config.ts'), noGrant))
        .split('\n')
        .slice(2),
    ).toEqual(["  dangerous: Vitest's own process loads it", "  to allow it all the same: write: ['vite.config.ts']"])
  })
})
