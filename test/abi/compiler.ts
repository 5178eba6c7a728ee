import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Arch } from '../../src/abi/arch.js'

/** A C compiler that can be used here, and where its headers are found. */
export interface Compiler {
  readonly command: string
  readonly args: readonly string[]
}

const CANDIDATES: Readonly<Record<Arch, readonly string[]>> = {
  x64: process.arch === 'x64' ? ['cc', 'x86_64-linux-gnu-gcc'] : ['x86_64-linux-gnu-gcc'],
  arm64: process.arch === 'arm64' ? ['cc', 'aarch64-linux-gnu-gcc'] : ['aarch64-linux-gnu-gcc'],
}

const MACHINES: Readonly<Record<Arch, string>> = { x64: 'x86_64-', arm64: 'aarch64-' }

/** What a compiler compiles for, which for `cc` need not be what this process runs on (an emulator). */
function machineOf(command: string): string {
  const { status, stdout } = spawnSync(command, ['-dumpmachine'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return status === 0 ? stdout : ''
}

/** Why there is no compiler for an architecture, in the words of the test that is skipped for it. */
export function missingCompiler(arch: Arch): string {
  return `no C compiler for ${arch} (tried: ${CANDIDATES[arch].join(', ')})`
}

/**
 * A compiler that targets the architecture. VITEST_SECCOMP_HEADERS names a directory where a newer linux-libc-dev is
 * unpacked than the one installed: the constants that are younger than the installed headers are then checked as well.
 */
export function findCompiler(arch: Arch): Compiler | undefined {
  if (process.platform !== 'linux') return undefined
  const command = CANDIDATES[arch].find((name) => machineOf(name).startsWith(MACHINES[arch]))
  if (command === undefined) return undefined
  const root = process.env['VITEST_SECCOMP_HEADERS']
  const triplet = arch === 'x64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu'
  const include = root === undefined ? [] : [join(root, 'usr/include', triplet), join(root, 'usr/include')]
  return { command, args: include.filter(existsSync).flatMap((directory) => ['-isystem', directory]) }
}

/**
 * The values of C constant expressions, without running anything: the compiler writes them into a data section of an
 * object file, so that this works for a foreign architecture too. Undefined for an expression whose macro `ifDefined`
 * the headers lack. Values are 64-bit and signed.
 */
export function evaluateC(
  { command, args }: Compiler,
  headers: readonly string[],
  expressions: readonly { readonly text: string; readonly ifDefined?: string }[],
): readonly (bigint | undefined)[] {
  const rows = expressions.map(({ text, ifDefined }) =>
    ifDefined === undefined ? `ROW(1, ${text})` : `#ifdef ${ifDefined}\nROW(1, ${text})\n#else\nROW(0, 0)\n#endif`,
  )
  const source = [
    '#define _GNU_SOURCE',
    '#include <stddef.h>',
    ...headers.map((header) => `#if __has_include(<${header}>)\n#include <${header}>\n#endif`),
    '#define ROW(known, value) 0x1122334455667788LL, known, (long long)(value),',
    `const long long rows[] = {\n${rows.join('\n')}\n0x1122334455667788LL };`,
    '',
  ].join('\n')
  return parseRows(compileToObject(command, args, source), expressions.length)
}

function compileToObject(command: string, args: readonly string[], source: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'abi-'))
  try {
    const file = join(directory, 'rows.c')
    writeFileSync(file, source)
    // Assembler text: `.quad` lines are the same on both architectures.
    return execFileSync(command, ['-w', '-O0', ...args, '-S', '-o', '-', file], { encoding: 'utf8', timeout: 200_000 })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function parseRows(assembler: string, count: number): readonly (bigint | undefined)[] {
  // `.zero 8` is how a compiler writes a 0, `.xword` what arm64 calls `.quad`.
  const words = [...assembler.matchAll(/^\s+\.(quad|xword|zero)\s+(-?\d+)$/gm)].flatMap(([, kind, digits = '0']) =>
    kind === 'zero' ? Array.from({ length: Number(digits) / 8 }, () => 0n) : [BigInt(digits)],
  )
  if (words.length !== 3 * count + 1) throw new Error(`${words.length} words for ${count} rows:\n${assembler}`)
  return Array.from({ length: count }, (_, row) => (words[3 * row + 1] === 1n ? words[3 * row + 2] : undefined))
}
