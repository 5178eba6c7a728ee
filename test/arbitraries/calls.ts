/** System calls with any number, any registers and memory of any kind, for a live worker and for the fake one alike. */
import * as fc from 'fast-check'
import { openFlags } from '../../src/abi/open-flags.js'
import { AT_FDCWD } from '../../src/abi/path-flags.js'
import { hostArch } from '../../src/sys/host.js'
import { rowsFor } from '../../src/syscalls/table.js'
import { FD, TEMPLATES } from '../syscalls/templates.js'

/**
 * Where memory lies: `crossing` from one page into the next, at the `end` of what is mapped, `cut` by it half way, on a page that
 * cannot be written.
 */
export type Lies = 'plain' | 'crossing' | 'end' | 'cut' | 'readonly'

/** What a pointer points to. `next`: another thread writes it there and back, for as long as the call lasts. */
export type Memory =
  /** With `@` for the root of the tree. `ends`: a NUL comes after it. */
  | {
      readonly kind: 'path'
      readonly text: string
      readonly next?: string
      readonly ends: boolean
      readonly lies: Lies
    }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly lies: Lies }

export type Arg = bigint | Memory

export interface AnyCall {
  /** A name of a row, or a number that may be none. */
  readonly what: string | number
  readonly args: readonly Arg[]
}

const O = openFlags('x64')
const names = [
  'r',
  'w',
  'o',
  'd',
  'f',
  'x',
  'g',
  'e',
  'keep',
  'k',
  'secret',
  'in',
  'out',
  'outdir',
  'toDir',
  'toR',
  'toKeep',
  'loop',
  'dangling',
  'danglingOut',
  'l',
  'new',
  '..',
  '.',
  '',
  'canary',
]
const start = fc.constantFrom(
  '@/',
  '@/',
  '@/r/',
  '@/w/',
  '@/w/',
  '',
  '@/o/',
  '/proc/self/',
  '/proc/self/fd/',
  '/dev/fd/',
  '/proc/',
  '/',
)
const elsewhere = [
  'self',
  'fd',
  `${FD.read}`,
  `${FD.memfd}`,
  '3',
  '1',
  'root',
  'cwd',
  'status',
  'environ',
  'task',
  'etc',
  'passwd',
  'null',
]
export const pathText: fc.Arbitrary<string> = fc
  .tuple(start, fc.array(fc.constantFrom(...names, ...names, ...elsewhere), { maxLength: 4 }))
  .map(([from, parts]) => from + parts.join('/'))

const lies = fc.constantFrom<Lies>('plain', 'plain', 'plain', 'crossing', 'end', 'cut', 'readonly')
const pathMemory: fc.Arbitrary<Memory> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('path' as const),
      text: pathText,
      ends: fc.constantFrom(true, true, true, false),
      lies,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('path' as const),
      text: pathText,
      next: pathText,
      ends: fc.constant(true),
      lies: fc.constant('plain' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: pathText.map((text) => ({
      kind: 'path' as const,
      text: text.padEnd(5000, '/a'),
      ends: true,
      lies: 'plain' as const,
    })),
  },
)
const bytesMemory: fc.Arbitrary<Memory> = fc.record({
  kind: fc.constant('bytes' as const),
  bytes: fc.uint8Array({ maxLength: 200 }),
  lies,
})
const flags = fc
  .array(fc.constantFrom(...Object.values(O)), { maxLength: 4 })
  .map((bits) => BigInt(bits.reduce((all, bit) => all | bit, 0)))
const value = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .constantFrom<number>(...Object.values(FD), AT_FDCWD, -1, 99)
      .map((number) => BigInt.asUintN(64, BigInt(number))),
  },
  { weight: 2, arbitrary: flags },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      0n,
      0n,
      0x100n,
      0x200n,
      0x400n,
      0x1000n,
      0x1100n,
      64n,
      4096n,
      65_537n,
      0xffff_ffff_ffff_f000n,
      0x8000_0000_0000_0000n,
      1n << 47n,
      0x1_0000_0000n,
    ),
  },
  { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n) },
)
const arg: fc.Arbitrary<Arg> = fc.oneof(
  { weight: 4, arbitrary: pathMemory },
  { weight: 2, arbitrary: bytesMemory },
  { weight: 4, arbitrary: value },
)

/** The templates of the fake world, in words that both worlds know. */
const templates = TEMPLATES.filter(
  ([, args]) => !args.some((one) => typeof one === 'string' && one.includes('fifo')),
).map(([what, args]): AnyCall => ({
  what,
  args: args.map((one): Arg => {
    if (typeof one === 'number' || typeof one === 'bigint') return BigInt.asUintN(64, BigInt(one))
    if (typeof one === 'string')
      return { kind: 'path', text: one.replace(/^\/(?=[rwo](?:\/|$))/, '@/'), ends: true, lies: 'plain' }
    if (one instanceof Uint8Array) return { kind: 'bytes', bytes: one, lies: 'plain' }
    throw new Error('a template does not change')
  }),
}))

const bent = fc
  .tuple(fc.constantFrom(...templates), fc.array(fc.option(arg, { freq: 3 }), { minLength: 6, maxLength: 6 }))
  .map(([{ what, args }, bends]): AnyCall => ({ what, args: bends.map((bend, index) => bend ?? args[index] ?? 0n) }))
const lain = fc.tuple(fc.constantFrom(...templates), lies).map(([{ what, args }, where]): AnyCall => ({
  what,
  args: args.map((one) => (typeof one === 'bigint' ? one : { ...one, lies: where })),
}))
const what = fc.oneof(
  fc.constantFrom<string>(...rowsFor(hostArch()).map(({ name }) => name)),
  fc.integer({ min: 0, max: 600 }),
  fc.integer({ min: -5, max: 0x3fff_ffff }),
)
const wild: fc.Arbitrary<AnyCall> = fc.record({ what, args: fc.array(arg, { minLength: 6, maxLength: 6 }) })

export const anyCall: fc.Arbitrary<AnyCall> = fc.oneof(
  { weight: 4, arbitrary: bent },
  { weight: 2, arbitrary: lain },
  { weight: 2, arbitrary: wild },
)
