/** Whole runs where a container's profile forbids pidfd_getfd(2), as Docker's and containerd's do by default. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fixture } from '../harness/confined.js'
import { outcomes } from './json-report.js'
import { project, run, type Report } from './run-vitest.js'

const outside = createServer((socket) => socket.on('error', () => socket.destroy()).end('from outside')).unref()
beforeAll(async () => {
  await once(outside.listen(0, '127.0.0.1'), 'listening')
})
afterAll(() => void outside.close())

async function runWithout(calls: string, env: Readonly<Record<string, string>> = {}): Promise<Report> {
  using at = project('e2e-container')
  // A TCP socket's address is one of the internet.
  const { port } = outside.address() as AddressInfo
  return await run(at, [], {
    env: { OUTSIDE_PORT: String(port), ...env },
    under: [join(fixture('container'), 'deny.mjs'), calls],
  })
}

const said = ({ out }: Report): readonly string[] => [...out.matchAll(/^SAYS (.*)$/gm)].map(([, text = '']) => text)

const FILES = [
  'a connection that the broker makes: passed',
  'processes that speak with each other, and threads: passed',
  'programs, and pipes to them: passed',
  'through a descriptor: failed',
  'what is granted: passed',
  'what is not: failed',
]

test('files and programs are confined; sockets are refused, and the run says so', async () => {
  const report = await runWithout('pidfd_getfd,unshare')
  const results = outcomes(report.json).map((line) => line.replace(/^\w+\.test\.mjs > /, ''))
  expect(results).toEqual(expect.arrayContaining(FILES))
  expect(said(report)).toEqual(['listen EACCES', 'connect EACCES', 'unix EACCES'])
  expect(report.out).toContain(
    " seccomp  sockets were refused: this container's profile forbids pidfd_getfd(2). Everything else was confined as ever. docs/guide/docker.md says what allows it.\n",
  )
  expect(report.out).toContain('because: sockets are refused in this container')
  expect(report.out).not.toContain('NOT CONFINED')
  expect(report.leftovers).toEqual({ processes: [], tmp: [] })
  expect(report.code).toBe(1)
})

test("unsafe: ['network'] leaves sockets alone, and the run says that; files stay confined", async () => {
  const report = await runWithout('pidfd_getfd,unshare', { NETWORK: '1' })
  const results = outcomes(report.json).map((line) => line.replace(/^\w+\.test\.mjs > /, ''))
  expect(results).toEqual(expect.arrayContaining(FILES))
  // A server on a path makes a file, which Landlock does not let a worker do by itself.
  expect(said(report)).toEqual(['listen works', 'connect works', 'unix EACCES'])
  expect(report.out).toContain(" seccomp  SOCKETS WERE NOT CONFINED (unsafe: ['network'])")
})

test("where sockets can be decided, unsafe: ['network'] changes nothing", async () => {
  const report = await runWithout('unshare', { NETWORK: '1' })
  expect(said(report)).toEqual(['listen works', 'connect EACCES', 'unix works'])
  expect(report.out).not.toContain('SOCKETS WERE NOT CONFINED')
})

test('where a worker cannot even be read, the run is refused', async () => {
  const report = await runWithout('process_vm_readv')
  expect(report.out).toContain('vitest-pool-seccomp cannot confine tests on this machine:')
  expect(report.out).toContain("process_vm_readv(2): the container's profile forbids it")
  expect(said(report)).toEqual([])
  expect(report.code).toBe(1)
})
