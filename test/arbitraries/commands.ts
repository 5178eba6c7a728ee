/** Programs of the model-based runs: few names, so that they meet. `fixtures/targets/model/steps.mjs` performs them. */
import { constants } from 'node:fs'
import * as fc from 'fast-check'

export type Command = readonly [name: string, ...args: readonly (string | number)[]]

const name = fc.constantFrom(
  'f',
  'd',
  'g',
  'e',
  'l',
  'ld',
  'out',
  'outd',
  'r',
  'keep',
  'k',
  'toKeep',
  'new',
  'dangling',
  'danglingOut',
  'loop',
  'canary',
  'n1',
  'n2',
  '..',
  '.',
  '',
  '\u00e9',
)
const start = fc.constantFrom(
  '',
  '',
  '@/g/',
  '@/g/',
  '@/g/',
  '@/r/',
  '@/o/',
  './',
  '../',
  '#0/',
  '#1/',
  '@/g/ld/',
  '@/g/../g/',
)
const likely = fc.constantFrom(
  'f',
  'd',
  'd/g',
  'd/e',
  'l',
  'ld',
  'ld/g',
  'new',
  'n1',
  'n2',
  'd/n1',
  'd/e/n2',
  'n1/f',
  '@/g/f',
  '@/g/d',
  '@/g/n1',
  '@/r/f',
  '@/r/d/g',
  '@/r/l',
  '.',
  'dangling',
)
const random = fc
  .tuple(start, fc.array(name, { minLength: 1, maxLength: 3 }))
  .map(([from, names]) => from + names.join('/'))
const path = fc.oneof({ weight: 3, arbitrary: likely }, { weight: 2, arbitrary: random })
/** Not through a descriptor: the two sides number theirs differently. */
const linkText = path.filter((one) => !one.startsWith('#'))
const slot = fc.nat(1)
const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW } = constants
const flags = fc
  .tuple(
    fc.constantFrom(O_RDONLY, O_WRONLY, O_RDWR),
    fc.subarray([O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW], { maxLength: 3 }),
  )
  .map(([mode, more]) => more.reduce((all, flag) => all | flag, mode))
// With x: the worker, unlike the twin run by root, has no capability to search a directory without, and chdir is its own.
const mode = fc.constantFrom(0o755, 0o700, 0o777, 0o711, 0o500)
const text = fc.constantFrom('x', 'some text', '')
const make = <T extends (string | number)[]>(
  of: string,
  ...args: { [K in keyof T]: fc.Arbitrary<T[K]> }
): fc.Arbitrary<Command> => fc.tuple(...args).map((values): Command => [of, ...values])
const below = fc.oneof(
  fc.constantFrom('f', 'd', 'g', 'd/g', '.', '..', '../f', 'l', 'new', 'out', 'outd/canary', ''),
  fc
    .array(name, { minLength: 1, maxLength: 3 })
    .map((names) => names.join('/'))
    .filter((one) => !one.startsWith('/')),
)
/** By calls that only x64 knows the machine code for. */
const native: fc.WeightedArbitrary<Command>[] =
  process.arch !== 'x64'
    ? []
    : [
        { weight: 3, arbitrary: make('openat', slot, below, flags, mode, slot) },
        { weight: 1, arbitrary: make('dup', slot, slot) },
        {
          weight: 3,
          arbitrary: fc
            .oneof(
              make('open', path, flags, mode),
              make('mkdir', path, mode),
              make('rmdir', path),
              make('unlink', path),
              make('rename', path, path),
              make('link', path, path),
              make('symlink', linkText, path),
            )
            .map(([of, ...args]): Command => ['fork', of, ...args]),
        },
      ]
export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 5, arbitrary: make('open', path, flags, mode, slot) },
  make('open', path, fc.constant(O_DIRECTORY), mode, slot),
  make('close', slot),
  make('read', slot),
  make('write', slot, text),
  make('readFile', path),
  make('writeFile', path, text),
  make('appendFile', path, text),
  make('copyFile', path, path),
  make('readdir', path),
  make('stat', path),
  make('lstat', path),
  make('access', path, fc.constantFrom(0, 2, 4, 6)),
  make('readlink', path),
  make('mkdir', path, mode),
  make('rmdir', path),
  make('unlink', path),
  { weight: 3, arbitrary: make('rename', path, path) },
  { weight: 2, arbitrary: make('link', path, path) },
  { weight: 3, arbitrary: make('symlink', linkText, path) },
  make('truncate', path, fc.nat(20)),
  make('ftruncate', slot, fc.nat(20)),
  make('chmod', path, mode),
  make('fchmod', slot, mode),
  make('utimes', path, fc.nat(1000)),
  make('lutimes', path, fc.nat(1000)),
  { weight: 2, arbitrary: make('chdir', path) },
  make('umask', fc.constantFrom(0, 0o022, 0o077)),
  { weight: 2, arbitrary: make('acquire', fc.constantFrom('seed', 'seed', 'canary'), slot) },
  ...native,
)

/** Of one thread of several: the working directory and the mask belong to all of them. */
export const threadCommand: fc.Arbitrary<Command> = command.filter(
  ([name, ...args]) =>
    name !== 'chdir' &&
    name !== 'umask' &&
    name !== 'fork' &&
    name !== 'acquire' &&
    args.every((arg) => typeof arg !== 'string' || !/^(?![@#])/.test(arg) || isNoPath(name, arg, args)),
)

/** Text to write, and what a symbolic link or a descriptor makes absolute by itself. */
function isNoPath(name: string, arg: string, args: readonly (string | number)[]): boolean {
  if (name === 'write' || name === 'openat') return true
  return (
    (name === 'writeFile' || name === 'appendFile' || name === 'symlink') && arg !== args[name === 'symlink' ? 1 : 0]
  )
}
