/** A house of fakes for one worker: files, a policy, and system calls as a worker would make them. */
import type { Arch } from '../../src/abi/arch.js'
import { syscallNumber, type SyscallName } from '../../src/abi/syscalls.js'
import { Own } from '../../src/broker/own.js'
import type { AccessOutcome } from '../../src/policy/event.js'
import type { Mode, Policy } from '../../src/policy/policy.js'
import type { Call, ExecAuthority, OwnAddresses, Registers, Reply } from '../../src/syscalls/call.js'
import type { Row } from '../../src/syscalls/define.js'
import { Fail } from '../../src/syscalls/outcome.js'
import type { Kernel, Target } from '../../src/syscalls/ports.js'
import { tableFor } from '../../src/syscalls/table.js'
import { description, FakeFd } from '../contracts/fake-descriptors.js'
import type { Sketch } from '../contracts/fake-files.js'
import { FakeKernel } from '../contracts/fake-kernel.js'
import { FakeTarget } from '../contracts/fake-target.js'
import { Faults, type FaultPlan } from '../contracts/faults.js'
import { policyOf } from '../contracts/rules.js'

export const ARCH: Arch = 'x64'
const TABLE = tableFor(ARCH)

/** Memory that another thread overwrites as soon as it was read. */
export interface Changing {
  readonly first: string
  readonly next: string
}

/** A register, or what its pointer points to. */
export type Register = number | bigint | string | Uint8Array | Changing

export function registersOf(values: readonly bigint[]): Registers {
  const part = (index: number, shift: bigint): number => Number(((values[index] ?? 0n) >> shift) & 0xffff_ffffn)
  return { low: (index) => part(index, 0n), high: (index) => part(index, 32n) }
}

/** Arguments for the title of a test: bytes by their length. */
export function shown(args: readonly Register[]): string {
  return args
    .map((arg) =>
      arg instanceof Uint8Array
        ? `${arg.length} bytes`
        : typeof arg === 'object'
          ? `${arg.first}, then ${arg.next}`
          : String(arg),
    )
    .join(', ')
}

export interface HouseOptions {
  readonly files?: Sketch
  readonly rules?: readonly (string | readonly string[])[]
  readonly policy?: Policy
  readonly mode?: Mode
  readonly denied?: Call['denied']
  readonly cwd?: string
  readonly process?: number
  readonly tid?: number
  readonly tmp?: Call['tmp']
  readonly execAuthority?: ExecAuthority
}

/** For what is about calls, whatever they are. */
export function someCall(): Call {
  const { kernel, target, policy, own } = new House()
  const registers = { low: () => 0, high: () => 0 }
  return {
    name: 'read',
    operation: 'forbidden',
    registers,
    kernel,
    target,
    policy,
    own,
    denied: 'eacces',
    execAuthority: 'none',
    record: () => {},
  }
}

export class House {
  readonly kernel: FakeKernel
  readonly target: FakeTarget
  policy: Policy
  readonly findings: AccessOutcome[] = []
  readonly own: OwnAddresses = new Own()

  constructor(readonly options: HouseOptions = {}) {
    const { files = {}, rules = [], mode = 'enforce', cwd = '/', process = 100, tid = process } = options
    this.kernel = new FakeKernel(files)
    this.target = new FakeTarget(this.kernel, process, tid)
    this.target.cwd = cwd
    this.policy = options.policy ?? policyOf(rules, mode)
  }

  /** What the worker gets: `3` for a value, `EACCES`, `fd` with what it refers to, `later`, `continue`, `gone`. */
  call(name: SyscallName, ...args: readonly Register[]): string {
    return this.show(this.run(name, args))
  }

  run(name: SyscallName, args: readonly Register[], plan: FaultPlan = {}): Reply {
    return this.runRow(rowOf(name), args, new Faults(plan))
  }

  runRow(row: Row, args: readonly Register[], faults: Faults): Reply {
    const kernel: Kernel = faults.guard(this.kernel)
    const target: Target = faults.guard(this.target)
    const { findings, own } = this
    const inForce = (): Policy => this.policy
    const call: Call = {
      name: row.name,
      operation: row.operation,
      registers: registersOf(args.map((arg) => this.#register(arg))),
      kernel,
      target,
      get policy() {
        return inForce()
      },
      own,
      denied: this.options.denied ?? 'eacces',
      execAuthority: this.options.execAuthority ?? 'landlock',
      tmp: this.options.tmp,
      record: (finding) => void findings.push(finding),
    }
    return row.run(call)
  }

  #register(arg: Register): bigint {
    if (typeof arg === 'bigint') return BigInt.asUintN(64, arg)
    if (typeof arg === 'number') return BigInt.asUintN(64, BigInt(arg))
    if (arg instanceof Uint8Array) return BigInt(this.target.put(arg))
    if (typeof arg === 'string') return BigInt(this.target.text(arg))
    return BigInt(this.target.changing(Buffer.from(`${arg.first}\0`, 'latin1'), Buffer.from(`${arg.next}\0`, 'latin1')))
  }

  show(reply: Reply): string {
    if (reply instanceof Fail) return reply.toString()
    switch (reply.kind) {
      case 'value':
        return `${reply.value}`
      case 'descriptor':
        return `fd ${this.textOf(reply.fd)}`
      case 'pair':
        return `pair ${this.textOf(reply.fds[0])} ${this.textOf(reply.fds[1])}`
      default:
        return reply.kind
    }
  }

  textOf(fd: unknown): string {
    if (!(fd instanceof FakeFd)) throw new TypeError('a descriptor of another kernel')
    const text = this.kernel.textOf(fd)
    return text.toString()
  }

  /** Runs a call that must give a descriptor, and lets the target hold it under that number. */
  hold(number: number, name: SyscallName, ...args: readonly Register[]): number {
    const reply = this.run(name, args)
    if (reply instanceof Fail || reply.kind !== 'descriptor' || !(reply.fd instanceof FakeFd))
      throw new Error(`${name} gave ${this.show(reply)}`)
    return this.target.hold(number, reply.fd)
  }

  /** Lets the target hold what it was born with, or was sent: no call of its own, no decision. */
  inherit(number: number, path: string, flags = 0): number {
    const inode = this.kernel.files.at(path)
    return this.target.hold(number, new FakeFd(this.kernel.ledger, description({ inode, flags, openedAt: path })))
  }

  /** Lets the target hold one end of a pair. */
  takePair(number: number, end: unknown): number {
    if (!(end instanceof FakeFd)) throw new TypeError('a descriptor of another kernel')
    return this.target.hold(number, end)
  }

  /**
   * `violation write /x`, `forbidden …`, `quiet look /y`: what was recorded, without what was used. In a manifest's words, in
   * which changing the content of what is there is writing; content.test.ts tells the two apart.
   */
  get recorded(): string[] {
    return this.findings
      .filter(({ outcome }) => outcome !== 'allowed')
      .map((finding) => {
        if (finding.outcome === 'forbidden') return `forbidden ${finding.why}`
        if (finding.outcome === 'undeclared') return `undeclared ${finding.name}`
        const { request } = finding
        const access = request.access === 'content' ? 'write' : request.access
        return `${finding.outcome === 'hidden' ? 'quiet' : 'violation'} ${access} ${request.kind === 'path' ? request.path : JSON.stringify(request.address)}`
      })
  }

  get violations(): string[] {
    return this.recorded.filter((line) => !line.startsWith('quiet'))
  }

  read(path: string): string {
    return Buffer.from(this.kernel.files.at(path).content).toString('latin1')
  }
}

export function rowOf(name: SyscallName): Row {
  const row = TABLE.get(syscallNumber(ARCH, name) ?? -1)
  if (row === undefined) throw new Error(`no row for ${name}`)
  return row
}
