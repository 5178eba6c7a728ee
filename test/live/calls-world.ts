/** A live worker that makes any call, and a fake one in the same house; what both answer, and what came of it outside. */
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { isForeign } from '../../src/abi/arch.js'
import { errnoName } from '../../src/abi/errno.js'
import { openFlags } from '../../src/abi/open-flags.js'
import { syscallName, syscallNumber, type SyscallName } from '../../src/abi/syscalls.js'
import { evaluate, seccompData } from '../../src/bpf/rules.js'
import { compilePolicy, decide, type Policy, type PolicyData } from '../../src/policy/policy.js'
import { rawPath } from '../../src/policy/request.js'
import { hostArch } from '../../src/sys/host.js'
import { workerFilter } from '../../src/syscalls/filter.js'
import { failed } from '../../src/syscalls/outcome.js'
import { toPolicySpelling } from '../../src/syscalls/place.js'
import { tableFor } from '../../src/syscalls/table.js'
import type { AnyCall, Arg } from '../arbitraries/calls.js'
import { confine, SOON, within, type Confined } from '../broker/confined.js'
import type { Sketch } from '../contracts/fake-files.js'
import { policyData } from '../contracts/rules.js'
import { hasUserAttributes } from '../harness/kernel.js'
import { House, type Register } from '../syscalls/house.js'
import { FILES, RULES } from '../syscalls/scene.js'
import { FD, TEMPLATES } from '../syscalls/templates.js'

const arch = hostArch()
const O = openFlags(arch)
const FILTER = workerFilter(arch)
const TABLE = tableFor(arch)
const CANARY = 'CANARY-of-the-outside'
const repository = join(import.meta.dirname, '../..')

/** The tree of the fake scene, without what a call would wait at, and with canaries where nobody may look. */
function tree(): Sketch {
  const { r, w } = FILES
  const plain = (sketch: Sketch | string | undefined): Sketch =>
    Object.fromEntries(
      Object.entries(sketch ?? {})
        .filter(([, what]) => what !== 'fifo' && what !== 'socket')
        .map(([name, what]) => [name, typeof what === 'string' ? what : plain(what)]),
    )
  return {
    r: { ...plain(r), secret: { k: CANARY, d: {} } },
    w: { ...plain(w), keep: { k: CANARY, d: {} } },
    o: { canary: CANARY, d: { x: CANARY } },
  }
}

/** Links that lead to the top of the scene lead to the top of this tree. */
const linkText = (what: string, root: string): string => what.slice(3).replace(/^\/(?=[rwo]\/?)/, `${root}/`)

function furnish(at: string, sketch: Sketch, root: string): void {
  for (const [name, what] of Object.entries(sketch)) {
    const path = Buffer.from(join(at, name), 'latin1')
    if (typeof what !== 'string') {
      mkdirSync(path)
      furnish(join(at, name), what, root)
    } else if (what.startsWith('-> ')) symlinkSync(linkText(what, root), path)
    else writeFileSync(path, what)
  }
}

function fakeTree(sketch: Sketch, root: string): Sketch {
  return Object.fromEntries(
    Object.entries(sketch).map(([name, what]) => [
      name,
      typeof what !== 'string' ? fakeTree(what, root) : what.startsWith('-> ') ? `-> ${linkText(what, root)}` : what,
    ]),
  )
}

function rulesBelow(root: string): string[][] {
  return [
    ...RULES.filter((list) => /[+!]\/[rwg]/.test(list[0] ?? '')).map((list) =>
      list.map((text) => text.replace(/([+!])\//, `$1${root}/`)),
    ),
    ['read +/proc/self/'],
    ['read +/proc/thread-self'],
    ['read +/dev/null'],
  ]
}

/** Names are bytes, one a character. */
function listing(path: string): string[] {
  const bytes = Buffer.from(path, 'latin1')
  const stat = lstatSync(bytes, { bigint: true })
  const about = `${path} ${stat.mode} ${stat.uid}:${stat.gid} ${stat.nlink} ${stat.mtimeNs}`
  if (stat.isSymbolicLink()) return [`${about} ${readlinkSync(bytes, 'latin1')}`]
  if (!stat.isDirectory()) return [`${about} ${readFileSync(bytes, 'latin1')}`]
  return [
    about,
    ...readdirSync(bytes, 'latin1')
      .toSorted()
      .flatMap((name) => listing(`${path}/${name}`)),
  ]
}

/** What the arguments of a call mean, as its templates show. */
type Shape = 'path' | 'bytes' | 'value'
const SHAPES: ReadonlyMap<string, readonly (readonly { readonly is: Shape; readonly size: number }[])[]> = new Map(
  TEMPLATES.map(([name]) => [
    name,
    TEMPLATES.filter(([other]) => other === name).map(([, args]) =>
      args.map((arg) =>
        arg instanceof Uint8Array
          ? { is: 'bytes', size: arg.length }
          : { is: typeof arg === 'string' ? 'path' : 'value', size: 0 },
      ),
    ),
  ]),
)

/** Small numbers mean something else in each world where a descriptor is asked for. */
function descriptorsOf(name: string): readonly number[] {
  if (/^(?:renameat|linkat)/.test(name)) return [0, 2]
  if (name === 'symlinkat') return [1]
  return /at2?$|^f|^statx|^inotify_add/.test(name) ? [0] : []
}

/** What the worker holds, by the numbers that the templates use. */
function furnitureOf(root: string): readonly unknown[] {
  const CLOEXEC = 0x80000
  const NONBLOCK = 0x800
  return [
    [FD.read, 'openat', -100, `${root}/r/f`, O.O_RDONLY, 0],
    [FD.write, 'openat', -100, `${root}/w/f`, O.O_RDWR, 0],
    [FD.directory, 'openat', -100, `${root}/w`, O.O_RDONLY, 0],
    [FD.tcp, 'socket', 2, 1 | NONBLOCK, 0],
    [FD.unix, 'socket', 1, 1 | NONBLOCK, 0],
    [FD.udp, 'socket', 2, 2 | NONBLOCK, 0],
    [FD.inotify, 'inotify_init1', CLOEXEC],
    [FD.memfd, 'memfd_create', 'm', 0],
    [FD.pipe, 'eventfd2', 0, 0],
  ]
}

/** The same in the fake world. */
function fakeHouse(root: string, data: PolicyData, pid: number): House {
  const below = root
    .slice(1)
    .split('/')
    .reduceRight<Sketch>((inner, name) => ({ [name]: inner }), fakeTree(tree(), root))
  const house = new House({ files: below, policy: compilePolicy(data), cwd: `${root}/w`, process: pid })
  house.inherit(FD.read, `${root}/r/f`, O.O_RDONLY)
  house.inherit(FD.write, `${root}/w/f`, O.O_RDWR)
  house.inherit(FD.directory, `${root}/w`, O.O_RDONLY)
  house.hold(FD.inotify, 'inotify_init1', 0)
  house.hold(FD.memfd, 'memfd_create', 'm', 0)
  house.hold(FD.pipe, 'eventfd2', 0, 0)
  house.target.hold(FD.tcp, house.kernel.sockets.make(2, 1))
  house.target.hold(FD.unix, house.kernel.sockets.make(1, 1))
  house.target.hold(FD.udp, house.kernel.sockets.make(2, 2))
  return house
}

interface Scene {
  readonly confined: Confined
  readonly root: string
  readonly policy: Policy
  readonly fake: House
}

function descriptors({ worker }: Confined): string[] {
  return readdirSync(`/proc/${worker.pid}/fd`)
}

/** uretprobe and uprobe of x64: the kernel asks no filter, and kills whoever calls them by hand (kernel/seccomp.c). */
const PASSES: readonly number[] = arch === 'x64' ? [335, 336] : []

export class CallsWorld {
  /** How often the two worlds were compared, and how often a call was let do something. */
  readonly counts = { calls: 0, compared: 0, done: 0 }
  readonly #scratch = realpathSync(mkdtempSync(join(tmpdir(), 'calls-')))
  #count = 0
  #together = true
  #confined: Confined | undefined
  #born: ReadonlySet<string> = new Set()
  /** What it has got from calls since it was reset. */
  #kept = new Set<string>()

  async #worker(): Promise<Confined> {
    if (this.#confined !== undefined) return this.#confined
    // What a thread of its own needs to start is granted to nobody later.
    const confined = await confine({
      runtime: 'laws/calls.mjs',
      policy: policyData([[`read +${repository}/`], ['read +/proc/self/']]),
    })
    const own = [
      'mmap',
      'munmap',
      'mprotect',
      'chdir',
      'close',
      'dup3',
      'openat',
      'socket',
      'inotify_init1',
      'signalfd4',
      'memfd_create',
      'eventfd2',
    ] as const
    const numbers = Object.fromEntries(own.map((name) => [name, syscallNumber(arch, name)]))
    expect(await within(SOON, 'prepare', confined.value('prepare', numbers))).toBeNull()
    this.#born = new Set(descriptors(confined))
    this.#confined = confined
    return confined
  }

  async #stop(): Promise<void> {
    const confined = this.#confined
    this.#confined = undefined
    if (confined !== undefined) await within(SOON, 'stop', confined.worker.stop())
  }

  async close(): Promise<void> {
    await this.#stop()
    rmSync(this.#scratch, { recursive: true, force: true })
  }

  /** Makes the calls one after the other, and holds each answer, and what came of it, to the promises. */
  async judge(calls: readonly AnyCall[]): Promise<void> {
    const root = join(this.#scratch, `${++this.#count}`)
    mkdirSync(root)
    furnish(root, tree(), root)
    try {
      await this.#judge(await this.#worker(), calls, root)
    } catch (error) {
      // Whatever state it is in, the next one begins anew.
      await this.#stop()
      throw error
    }
    rmSync(root, { recursive: true })
  }

  async #judge(confined: Confined, calls: readonly AnyCall[], root: string): Promise<void> {
    const policy = policyData(rulesBelow(root))
    await confined.worker.setPolicy(policy)
    const scene = { confined, root, policy: compilePolicy(policy), fake: fakeHouse(root, policy, confined.worker.pid) }
    const outside = () => ['o', 'r', 'w/keep'].flatMap((name) => listing(join(root, name)))
    const reset = async (directory: string, furniture: readonly unknown[]): Promise<void> =>
      expect(await within(SOON, 'reset', confined.value('reset', directory, furniture))).toBeNull()
    await reset(`${root}/w`, furnitureOf(root))
    this.#kept = new Set()
    const before = outside()
    this.#together = true
    for (const call of calls) await this.#make(call, scene)
    expect(outside(), 'the outside changed').toEqual(before)
    await reset('/', [])
  }

  async #make({ what, args }: AnyCall, scene: Scene): Promise<void> {
    const { confined, root, fake } = scene
    const number = typeof what === 'number' ? what : syscallNumber(arch, what as SyscallName)
    if (number === undefined) return
    const name = syscallName(arch, number)
    const tamed = tame(name, args)
    // A pointer is no value that a condition names.
    const data = seccompData(
      arch,
      number,
      tamed.map((arg) => (typeof arg === 'bigint' ? arg : 0x7f00_0000_0000n)),
    )
    // It ends the worker.
    if (isForeign(arch, data.arch, data.nr >>> 0)) return
    const action = evaluate(FILTER, data)
    if (action === 'allow' || action === 'kill-process' || PASSES.includes(number)) return
    const answer = await within(
      SOON,
      `${name ?? number}: an answer`,
      confined.value(
        'call',
        number,
        tamed.map((arg) => forChild(arg, root)),
      ),
    )
    // What the runtime says otherwise is an error, as text.
    if (typeof answer === 'string') throw new Error(answer)
    const { result, seen } = answer as { result: number; seen: string }
    const told = result < 0 ? errnoName(-result) : 'done'
    this.counts.calls++
    const about = JSON.stringify([name ?? number, told])
    expect(result, about).toBeGreaterThanOrEqual(-4095)
    expect(seen, `${about} shows the outside`).not.toContain(CANARY)
    const row = TABLE.get(number)
    if (row === undefined || name === undefined) {
      expect(told, about).toBe(typeof action === 'object' ? errnoName(action.errno) : 'ENOSYS')
      return
    }
    if (row.family === 'refused') expect(result, about).toBeLessThan(0)
    if (result >= 0) this.counts.done++
    const fresh = await this.#mayBeHeld(scene)
    if (result < 0) expect(fresh, `${about} leaves a descriptor behind`).toEqual([])
    // The fake has attributes everywhere.
    if (told === 'EOPNOTSUPP' && name.includes('xattr') && !hasUserAttributes()) return
    if (!comparable(name, row.family, tamed)) {
      // From here on the trees may differ.
      if (result >= 0) this.#together &&= row.family !== 'change' && row.family !== 'open' && row.family !== 'sockets'
      return
    }
    if (!this.#together) return
    this.counts.compared++
    const reply = fake.run(
      name,
      tamed.map((arg) => forFake(arg, root)),
    )
    const expected = fake.show(reply)
    if (!failed(reply) && reply.kind === 'descriptor')
      expect([about, fresh.map(({ cloexec }) => cloexec)]).toEqual([about, [reply.cloexec]])
    expect([about, told], `live, and then in the fake: ${expected}`).toEqual([
      about,
      /^E[A-Z0-9]+$/.test(expected) ? expected : 'done',
    ])
  }

  /** What the worker has got since the last call; whatever of it has a path is granted, for what the descriptor can do. */
  async #mayBeHeld({ confined, policy }: Scene): Promise<readonly { readonly cloexec: boolean }[]> {
    const { pid } = confined.worker
    const fresh = descriptors(confined).filter((fd) => !this.#born.has(fd) && !this.#kept.has(fd) && Number(fd) < 100)
    const held = fresh.map((fd) => {
      const path = readlinkSync(`/proc/${pid}/fd/${fd}`, 'latin1').replace(/ \(deleted\)$/, '')
      const flags = Number.parseInt(
        /flags:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))?.[1] ?? '2',
        8,
      )
      return {
        path,
        access: (flags & O.O_ACCMODE) === O.O_RDONLY ? ('read' as const) : ('content' as const),
        cloexec: (flags & O.O_CLOEXEC) !== 0,
      }
    })
    for (const { path, access } of held) {
      if (!path.startsWith('/') || path.startsWith('/memfd:')) continue
      expect([
        access,
        path,
        decide(policy, { kind: 'path', access, path: toPolicySpelling(rawPath(path), pid) }).allowed,
      ]).toEqual([access, path, true])
    }
    for (const fd of fresh) this.#kept.add(fd)
    if (fresh.length > 0) await confined.value('keep', fresh.map(Number))
    return held
  }
}

/** What would end the worker by its own hand, or change how it is scheduled, says nothing about the broker. */
function tame(name: string | undefined, args: readonly Arg[]): readonly Arg[] {
  const zero = (...indices: readonly number[]): readonly Arg[] =>
    args.map((arg, index) => (indices.includes(index) ? 0n : arg))
  switch (name) {
    case 'kill':
    case 'tkill':
    case 'rt_sigqueueinfo':
      return zero(1)
    case 'tgkill':
    case 'rt_tgsigqueueinfo':
      return zero(2)
    case 'prlimit64':
      return zero(2, 3)
    // Who opens a FIFO waits for somebody else.
    case 'mknod':
      return args.map((arg, index) => (index === 1 ? withoutFifo(arg) : arg))
    case 'mknodat':
      return args.map((arg, index) => (index === 2 ? withoutFifo(arg) : arg))
    default:
      return args
  }
}

function withoutFifo(mode: Arg): bigint {
  return typeof mode === 'bigint' && (mode & 0xf000n) !== 0x1000n ? mode : 0o600n
}

function forChild(arg: Arg, root: string): unknown {
  if (typeof arg === 'bigint') return `${arg}`
  const hex = (text: string, ends: boolean): string =>
    Buffer.from(text.replace(/^@/, root) + (ends ? '\0' : ''), 'latin1').toString('hex')
  if (arg.kind === 'bytes') return { bytes: Buffer.from(arg.bytes).toString('hex'), lies: arg.lies }
  return {
    bytes: hex(arg.text, arg.ends),
    lies: arg.lies,
    ...(arg.next === undefined ? {} : { next: hex(arg.next, true) }),
  }
}

function forFake(arg: Arg, root: string): Register {
  if (typeof arg === 'bigint') return arg
  return arg.kind === 'bytes' ? arg.bytes : arg.text.replace(/^@/, root)
}

/** Where both worlds have the same: the tree, and memory that lies still and whole. */
function comparable(name: string, family: string, args: readonly Arg[]): boolean {
  if (family !== 'open' && family !== 'change' && family !== 'look') return false
  const fits = SHAPES.get(name)?.some((shape) =>
    shape.every(({ is, size }, index) => {
      const arg = args[index]
      // Other values may be addresses in one of the worlds.
      if (typeof arg !== 'object') return is === 'value' || arg === undefined || arg === 0n || arg >= 1n << 47n
      if (arg.lies === 'readonly' || arg.lies === 'cut' || arg.kind !== is) return false
      const room = arg.kind === 'bytes' ? arg.bytes.length : arg.text.length + 1
      // Nor is what comes after them in memory the same.
      const asked = shape[index + 1]?.is === 'value' ? args[index + 1] : undefined
      if (typeof asked === 'bigint' && asked > room && index > 0) return false
      return arg.kind === 'bytes'
        ? room >= size
        : arg.next === undefined && arg.ends && !/proc|dev|etc|passwd/.test(arg.text)
    }),
  )
  const isFake = (name === 'truncate' || name === 'ftruncate') && typeof args[1] === 'bigint' && args[1] > 0xffffn
  return (
    fits === true &&
    !isFake &&
    descriptorsOf(name).every((index) => {
      const arg = args[index]
      const fd = typeof arg === 'bigint' ? Number(BigInt.asIntN(32, arg)) : 0
      return fd < 0 || fd === FD.read || fd === FD.write || fd === FD.directory
    })
  )
}
