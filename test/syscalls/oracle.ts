/** What every answer must be, whatever was asked and whatever went wrong. */
import { expect } from 'vitest'
import { openFlags } from '../../src/abi/open-flags.js'
import type { SyscallName } from '../../src/abi/syscalls.js'
import { parentOf } from '../../src/policy/canonical.js'
import { factsOf } from '../../src/policy/operations.js'
import { decide, maySeeInto } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import type { Reply } from '../../src/syscalls/call.js'
import { failed } from '../../src/syscalls/outcome.js'
import { toPolicySpelling } from '../../src/syscalls/place.js'
import { FakeFd } from '../contracts/fake-descriptors.js'
import { Faults, type FaultPlan } from '../contracts/faults.js'
import { rowOf, type House, type Register } from './house.js'
import { outside } from './scene.js'

const O = openFlags('x64')
/** Which rows may say `continue`, and for which reason. */
const CONTINUES: Readonly<Record<string, string>> = {
  exec: 'landlock-decides',
  processes: 'registers-only',
  control: 'registers-only',
  sockets: 'registers-only',
  look: 'own-state',
}

export interface Judged {
  readonly reply: Reply
  /** How many port calls it took: each of them is a point at which something can fail. */
  readonly calls: number
}

/** Makes the call, waits for it as the session does, and holds the answer to the laws. */
export function judge(house: House, name: SyscallName, args: readonly Register[], plan: FaultPlan = {}): Judged {
  const before = outside(house)
  const all = house.kernel.files.snapshot()
  const born = new Set(house.kernel.ledger.live)
  const faults = new Faults(plan)
  house.target.reads.length = 0
  house.kernel.asked.length = 0
  const row = rowOf(name)
  const told = house.findings.length
  const first = house.runRow(row, args, faults)
  const { reply, given } = settle(first)
  wellFormed(name, reply)
  const { asks, makes } = factsOf(row.operation)
  const asked = house.findings.slice(told).flatMap((finding) => ('request' in finding ? [finding.request.access] : []))
  expect(
    asked.filter((access) => !asks.includes(access)),
    `${name} asks for more than its operation`,
  ).toEqual([])
  if (given.length > 0) expect(makes, `${name} makes descriptors`).toBeDefined()
  expect(readTwice(house), 'memory is read twice').toEqual([])
  expect(
    [...house.kernel.ledger.live].filter((fd) => !born.has(fd)),
    'a descriptor leaks',
  ).toEqual(given)
  for (const fd of given) fd.close()
  expect(house.kernel.ledger.live.size, 'and is closed with the reply').toBe(born.size)
  if (house.policy.mode === 'enforce') {
    expect(outside(house), 'the outside changed').toEqual(before)
    for (const fd of given) mayBeHad(house, fd)
    for (const path of house.kernel.used) expect(allows(house, 'look', path), `used ${path}`).toBe(true)
    for (const path of house.kernel.asked) expect(isShown(house, path), `asked for ${path}`).toBe(true)
  }
  const isClean = plan.at === undefined && plan.goneFrom === undefined
  if (failed(reply) && isClean) expect(house.kernel.files.snapshot(), 'a failed call changed something').toEqual(all)
  // A number below /proc may be somebody else's by the time that it is opened.
  const isGone = plan.goneFrom !== undefined && plan.goneFrom < faults.calls
  if (isGone)
    expect(
      given.map(({ description }) => description.openedAt ?? '').filter((path) => path.startsWith('/proc/')),
    ).toEqual([])
  if (plan.goneFrom === 0) expect(house.kernel.files.snapshot(), 'a stale call changed something').toEqual(all)
  return { reply, calls: faults.calls }
}

function readTwice({ target }: House): unknown[] {
  return target.reads.filter((one, index) =>
    target.reads.some((other, at) => at < index && one.from < other.to && other.from < one.to),
  )
}

/** `later` is asked again a few times and then given up. */
function settle(first: Reply): { reply: Reply; given: FakeFd[] } {
  let reply = first
  for (let round = 0; round < 3 && !failed(reply) && reply.kind === 'later'; round++) reply = reply.again()
  if (!failed(reply) && reply.kind === 'later') reply.cancel()
  if (failed(reply)) return { reply, given: [] }
  const given: unknown[] =
    reply.kind === 'descriptor' ? [reply.fd] : reply.kind === 'pair' || reply.kind === 'received' ? [...reply.fds] : []
  return { reply, given: given.filter((fd) => fd instanceof FakeFd) }
}

function wellFormed(name: SyscallName, reply: Reply): void {
  if (failed(reply)) {
    expect(reply.errno, 'an errno').toBeGreaterThan(0)
    expect(reply.errno, 'an errno').toBeLessThanOrEqual(4095)
    return
  }
  const row = rowOf(name)
  if (row.family === 'refused') throw new Error(`${name} is never anything but refused`)
  switch (reply.kind) {
    case 'value':
      return expect(Number.isSafeInteger(reply.value) && reply.value >= -1).toBe(true)
    case 'descriptor':
      return expect(reply.fd instanceof FakeFd && typeof reply.cloexec === 'boolean').toBe(true)
    case 'pair':
      return expect(reply.fds).toHaveLength(2)
    case 'received':
      return wellFormed(name, reply.finish(reply.fds.map((_, index) => 40 + index)))
    case 'continue':
      expect(reply.reason).toBe(CONTINUES[row.family])
      if (row.family === 'look') expect(name).toBe('chdir')
      if (row.family === 'sockets') expect(['getsockname', 'getpeername']).toContain(name)
      return
    case 'later':
    case 'gone':
      return
    default:
      reply satisfies never
  }
}

function allows(house: House, access: 'look' | 'list' | 'read' | 'write', path: string): boolean {
  const spelled = toPolicySpelling(rawPath(path), house.target.process)
  return decide(house.policy, { kind: 'path', access, path: spelled }).allowed
}

/** A name may be looked up where the directory that holds it is shown. */
export function isShown(house: House, path: string): boolean {
  const directory = toPolicySpelling(parentOf(rawPath(path)), house.target.process)
  return path === '/' || maySeeInto(house.policy, directory)
}

/** A descriptor for a path is one that the policy grants for what the descriptor can do. */
function mayBeHad(house: House, fd: FakeFd): void {
  const { inode, flags } = fd.description
  const path = inode === undefined ? undefined : house.kernel.files.pathOf(inode)
  if (path === undefined) return
  const reads = inode?.kind === 'directory' ? 'list' : 'read'
  const access = (flags & O.O_ACCMODE) === O.O_RDONLY ? reads : 'write'
  expect(allows(house, access, path), `${access} of ${path}`).toBe(true)
}
