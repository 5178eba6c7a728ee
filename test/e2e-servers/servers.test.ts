/**
 * A suite that listens, connects and starts programs, in every way that Node has for it: under Vitest's own pool, confined
 * with a manifest, and confined with none.
 */
import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Manifest } from '../../src/policy/manifest.js'
import type { Violation } from '../../src/vitest/violations.js'
import { project, run, type Report } from '../e2e/run-vitest.js'

const manifest: Manifest = {
  read: ['programs/', 'keys/cert.pem', 'keys/key.pem', '/etc/passwd'],
  write: ['<tmp>/'],
  exec: ['node', 'sh', 'cat', 'pwd', 'sleep', 'sort', 'tr', 'programs/greet.sh'],
  connect: ['tcp:127.0.0.1:1'],
  listen: ['tcp:127.0.0.1:0', 'tcp:[::1]:0', 'tcp:[::]:0', 'udp:127.0.0.1:0', 'udp:[::1]:0'],
}

const node = "exec: ['node']"
const cat = "exec: ['cat']"
const sleep = "exec: ['sleep']"
/** By its name on PATH, or by the name of what that is a link to. */
const sh = new RegExp(`^exec: \\['(?:sh|${basename(realpathSync('/bin/sh'))})'\\]$`)
const tmp = /^write: \['<tmp>\/.*'\]$/
const tcp = "listen: ['tcp:127.0.0.1:0']"
const udp = "listen: ['udp:127.0.0.1:0']"

/** What each test lacks first. Those with nothing need no grant. */
const lacks: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  'spawn: output, exit code, environment': [node],
  'spawn: a working directory': [tmp],
  'spawn: a program that is not there': [],
  'spawn: 8 MB through a pipe': [cat],
  'spawn: a file and a fourth pipe for its output': [tmp],
  'exec: pipes of the shell': [sh],
  'exec: a status that is not 0': [sh],
  'execFile: a script with an interpreter': ["exec: ['programs/greet.sh']"],
  'execFileSync and execSync': [cat],
  'spawnSync: much data, and a limit of time': [cat],
  'fork: messages there and back': [node],
  'fork: a connection is handed to the child': [tcp],
  'fork: a server is handed to the child': [tcp],
  'kill: SIGTERM to an own child, which handles it': [node],
  'kill: asks whether a child is there': [sleep],
  'kill: an AbortSignal': [sleep],
  'kill: the worker itself, with a handler': [],
  'detached: a session of its own': [sleep],
  'detached: the whole group is killed': [sh],
  'cluster: two workers take turns': [node],
  'cluster: two workers share the port': [node],
  'threads: a MessageChannel and shared memory': [],
  'threads: eight at once': [],
  'threads: an http server of its own': [tcp],
  'threads: code from a string': [],
  'http: server and fetch': [tcp],
  'http: on every address, and by name': ["listen: ['tcp:[::]:0']"],
  'http: IPv6': ["listen: ['tcp:[::1]:0']"],
  'http: keep-alive': [tcp],
  'http: 8 MB there and back': [tcp],
  'http: 50 requests at once': [tcp],
  'http: a request that is aborted': [tcp],
  'http: upgrade to a websocket': [tcp],
  'http2: streams over one connection': [tcp],
  'https: a certificate of its own': ["read: ['keys/key.pem']"],
  'net: echo': [tcp],
  'net: a unix socket in os.tmpdir()': [tmp],
  'net: many clients of a unix socket': [tmp],
  'net: a port that is taken': [tcp],
  'net: a free port is looked for first': [tcp],
  'net: a path that is taken': [tmp],
  'net: nobody there': ["connect: ['tcp:127.0.0.1:1']"],
  'net: nobody there any more': [tcp],
  'net: a peer that resets': [tcp],
  'net: the addresses of both ends': [tcp],
  'dns: localhost': [],
  'dgram: udp4 echo': [udp],
  'dgram: udp6 echo': ["listen: ['udp:[::1]:0']"],
  'dgram: a client that is bound to nothing': [udp],
  'dgram: a connected client': [udp],
  'dgram: the largest datagram, and one that is too large': [udp],
  'os: network interfaces': [],
  'os: processors': [],
  'os: memory, load and time': [],
  'os: the user': ["read: ['/etc/passwd']"],
  'fs.watch: a directory in os.tmpdir()': [tmp],
  'fs.watch: below a directory': [tmp],
}

interface Told {
  readonly status: string
  readonly lines: readonly string[]
  readonly text: string
}

/** By title: the titles of the suite are all different. */
function byTest(report: Report): Map<string, Told> {
  const entries = report.json.testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ title, status, failureMessages, meta }): [string, Told] => {
      const violations = (meta.seccomp as { violations: readonly Violation[] } | undefined)?.violations ?? []
      const lines = violations.map(({ suggestion, message }) => suggestion?.line ?? message)
      return [title, { status, lines, text: (failureMessages ?? []).join('\n') }]
    }),
  )
  return new Map(entries)
}

async function results(grants?: { readonly manifest?: Manifest }): Promise<Map<string, Told>> {
  using at = project('servers')
  const report = await run(at, [], {
    limit: 200_000,
    env: grants === undefined ? {} : { SERVERS_GRANTS: JSON.stringify(grants) },
  })
  if (grants !== undefined) expect(report.leftovers).toEqual({ processes: [], tmp: [] })
  return byTest(report)
}

const titles = Object.keys(lacks)

describe('servers and programs', () => {
  let stock: Map<string, Told>
  let granted: Map<string, Told>
  let bare: Map<string, Told>
  beforeAll(async () => {
    stock = await results()
    granted = await results({ manifest })
    bare = await results({})
  }, 600_000)

  test('every test of the suite is looked at here, and passes by itself', () => {
    expect(Object.fromEntries([...stock].map(([title, { status }]) => [title, status]))).toEqual(
      Object.fromEntries(titles.map((title) => [title, 'passed'])),
    )
  })

  test.each(titles)('granted: %s', (title) => {
    expect(granted.get(title)).toEqual({ status: 'passed', lines: [], text: '' })
  })

  test.each(titles)('without a grant: %s', (title) => {
    const told = bare.get(title)
    const expected = lacks[title] ?? []
    expect(told?.status).toBe(expected.length > 0 ? 'failed' : 'passed')
    const lines = told?.lines ?? []
    expect(lines).toEqual(expected.map((line) => (typeof line === 'string' ? line : expect.stringMatching(line))))
    for (const line of lines) expect(told?.text).toContain(`to allow it, add to the manifest: ${line}`)
  })
})
