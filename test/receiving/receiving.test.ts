/**
 * Sockets where the kernel cannot close them to descriptors (before Linux 6.16), and the broker receives: as without confinement. The
 * variant runs on any kernel; on one that has SO_PASSRIGHTS, both are tried.
 */
import { chmodSync, existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import type { AccessEvent } from '../../src/policy/event.js'
import { fixture, runConfined, runPlain, type ConfinedResult } from '../harness/confined.js'

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'receiving-')))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** As long as a name can be: libuv of Node 20 fills up a shorter one. */
const ABSTRACT = `receiving-${process.pid}`.padEnd(107, 'x')
let count = 0

const SERVER = pathToFileURL(join(import.meta.dirname, '../../scripts/postgres/server.mjs')).href

interface PostgresServer {
  findPrograms(): Promise<string | undefined>
  startServer(
    programs: string,
    scratch: string,
  ): Promise<{ readonly port: number; readonly sockets: string; readonly user: string; stop(): Promise<void> }>
}
const directory = (): string => mkdtempSync(join(scratch, `${++count}-`))

function confined(module: string, args: readonly unknown[], unixSockets: boolean): Promise<ConfinedResult> {
  return runConfined({
    manifest: {
      read: [`${fixture('../..')}/`],
      write: [`${scratch}/`],
      exec: [process.execPath],
      listen: ['tcp:127.0.0.1:0', 'udp:127.0.0.1:0', `unix:@${ABSTRACT}`],
    },
    module: fixture(`receiving/${module}`),
    args,
    root: scratch,
    support: { unixSockets },
  })
}

/** Without what a program tries in earnest and lives without. */
const violations = (incidents: readonly AccessEvent[]): readonly AccessEvent[] =>
  incidents.filter((incident) => !('violation' in incident) || incident.violation)

const hasOption = process.platform === 'linux' && (await import('../../src/sys/probe.js')).closesUnixSockets()

describe.each([
  ['the broker receives', false],
  ['the kernel keeps strangers out (needs SO_PASSRIGHTS)', true],
] as const)('%s', (_, unixSockets) => {
  if (unixSockets && !hasOption) return void test.skip('this kernel has no SO_PASSRIGHTS')

  test('every way to receive gives what it gives without confinement', async () => {
    const plain = await runPlain(fixture('receiving/messages.mjs'), [])
    const { result, incidents, faults, stderr } = await confined('messages.mjs', [], unixSockets)
    expect({ stderr, faults, violations: violations(incidents) }).toEqual({ stderr: '', faults: [], violations: [] })
    expect(result).toEqual(plain)
  })

  test('servers on paths and abstract names, HTTP, handles between forked processes, datagrams', async () => {
    const plain = await runPlain(fixture('receiving/servers.mjs'), [directory(), ABSTRACT])
    const { result, incidents, faults, stderr } = await confined('servers.mjs', [directory(), ABSTRACT], unixSockets)
    expect({ stderr, faults, violations: violations(incidents) }).toEqual({ stderr: '', faults: [], violations: [] })
    expect(result).toEqual(plain)
  })

  test('PostgreSQL over its unix socket', async ({ skip }) => {
    const { findPrograms, startServer } = (await import(/* @vite-ignore */ SERVER)) as PostgresServer
    const programs = await findPrograms()
    // Debian's own psql is a script that looks for this one.
    const psql = programs === undefined ? undefined : join(programs, 'psql')
    if (programs === undefined || psql === undefined || !existsSync(psql)) return skip('PostgreSQL is not installed')
    const root = directory()
    chmodSync(scratch, 0o755)
    chmodSync(root, 0o755)
    const server = await startServer(programs, root)
    try {
      const run = await runConfined({
        manifest: {
          read: [`${fixture('../..')}/`, '/usr/', '/etc/'],
          exec: [realpathSync(psql)],
          connect: [`unix:${server.sockets}/.s.PGSQL.${server.port}`],
        },
        module: fixture('receiving/postgres.mjs'),
        args: [realpathSync(psql), server],
        root: scratch,
        support: { unixSockets },
      })
      expect(run.result).toEqual({ code: 0, out: '1|hello\n', err: '' })
      expect(violations(run.incidents)).toEqual([])
    } finally {
      await server.stop()
    }
  })
})
