/** Filters and calls in a process of their own. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isArch, type Arch } from '../../src/abi/arch.js'
import { Errno } from '../../src/abi/errno.js'
import { encode, type Program } from '../../src/bpf/instruction.js'
import type { Action } from '../../src/bpf/rules.js'

export type Step = { readonly install: string } | { readonly call: readonly string[] }

export const install = (program: Program): Step => ({ install: encode(program).toString('hex') })
export const call = (nr: number, args: readonly bigint[] = []): Step => ({ call: [nr, ...args].map(String) })

/** Performs the steps in a process of its own: a filter stays for as long as its process lives. */
export function run(steps: readonly Step[]): { readonly errnos: readonly number[]; readonly signal: string | null } {
  const child = spawnSync(process.execPath, [fileURLToPath(new URL('confined-child.cjs', import.meta.url))], {
    input: JSON.stringify(steps),
    encoding: 'utf8',
    timeout: 200_000,
    killSignal: 'SIGKILL',
  })
  if (child.error !== undefined) throw child.error
  if (child.signal !== null) return { errnos: [], signal: child.signal }
  if (child.status !== 0) throw new Error(child.stderr)
  // The cast: what confined-child.cjs prints.
  return { errnos: JSON.parse(child.stdout) as number[], signal: null }
}

/** What a call answers whose number no kernel has. A notification without a listener is ENOSYS as well. */
export function errnoOf(action: Action): number {
  return typeof action === 'string' ? Errno.ENOSYS : action.errno
}

/** Beyond all system calls: there a filter's answer is all that can happen. */
export const UNASSIGNED = 1000

/** Undefined where the system is not Linux on x64 or arm64: no test of these can run there. */
export const native: Arch | undefined = process.platform === 'linux' && isArch(process.arch) ? process.arch : undefined
