/** A row of the table, and everything that derives from it. */
import { Errno } from '../abi/errno.js'
import type { SyscallName } from '../abi/syscalls.js'
import type { Operation } from '../policy/operations.js'
import type { Arg } from './args.js'
import { GONE, type Call, type Reply } from './call.js'
import { Fail, failed } from './outcome.js'

type Family = 'open' | 'look' | 'change' | 'anonymous' | 'sockets' | 'exec' | 'processes' | 'control' | 'refused'

export interface Row {
  readonly name: SyscallName
  readonly family: Family
  /** The operation of the call: its words in messages, and the facts that other modules derive from it. */
  readonly operation: Operation
  /** One line for the docs: the answer that the call gets. */
  readonly answer: string
  readonly args: readonly string[]
  readonly run: (call: Call) => Reply
}

type ArgValues<A> = { readonly [K in keyof A]: A[K] extends Arg<infer T> ? T : never }

interface Definition<A extends Readonly<Record<string, Arg<unknown>>>> {
  readonly name: SyscallName
  readonly family: Family
  readonly operation: Operation
  readonly answer: string
  readonly args: A
  readonly handle: (call: Call, args: ArgValues<A>) => Reply
}

/**
 * Defines a mediated call. The order is that of the kernel's sample (seccomp_unotify(2)): read all memory, check that
 * the notification still stands, and only then act.
 */
export function defineSyscall<A extends Readonly<Record<string, Arg<unknown>>>>(definition: Definition<A>): Row {
  const { name, family, operation, answer, args, handle } = definition
  const keys = Object.keys(args)
  const decoders = Object.values(args)
  // Copies of it have every field already, so filling one in does not change their shape.
  const blank: Readonly<Record<string, unknown>> = Object.fromEntries(keys.map((key) => [key, undefined]))
  return {
    name,
    family,
    operation,
    answer,
    args: keys,
    run(call) {
      const values: Record<string, unknown> = { ...blank }
      for (let at = 0; at < keys.length; at++) {
        const [key, decode] = [keys[at], decoders[at]]
        if (key === undefined || decode === undefined) throw new TypeError(`${name}: an argument without a decoder`)
        const decoded = decode(call)
        if (failed(decoded)) return decoded
        values[key] = decoded
      }
      if (!call.target.stillWaiting()) return GONE
      // The cast: each key was filled by its own decoder just above, so the record has the mapped type.
      return handle(call, values as ArgValues<A>)
    },
  }
}

/**
 * A call that no manifest can grant. As a `probe` it fails no test, because programs try it in earnest and do without.
 */
export function refuse(name: SyscallName, errno: Errno, why: string, weight: 'violation' | 'probe' = 'violation'): Row {
  return {
    name,
    family: 'refused',
    operation: 'forbidden',
    answer: `refused: ${why}`,
    args: [],
    run(call) {
      call.record({ outcome: 'forbidden', why, violation: weight === 'violation' })
      return Fail.of(errno)
    },
  }
}
