/** Yama, which may forbid a process to reach even its own descendants: Documentation/admin-guide/LSM/Yama.rst. */
import { textOf } from './text-of.js'

/** capabilities(7) */
const CAP_SYS_PTRACE = 19n

interface YamaFacts {
  /** kernel.yama.ptrace_scope; undefined if there is no Yama. */
  readonly scope: number | undefined
  /** True if this process has CAP_SYS_PTRACE. */
  readonly canTrace: boolean
}

/** True if workers can be reached. They are children: scopes 0 and 1 allow it, 2 only with the capability, 3 never. */
export function yamaAllows({ scope, canTrace }: YamaFacts): boolean {
  return scope === undefined || scope < 2 || (scope === 2 && canTrace)
}

export function yamaFacts(): YamaFacts {
  const scope = textOf('/proc/sys/kernel/yama/ptrace_scope')
  const [, effective] = /^CapEff:\s*([0-9a-f]+)$/m.exec(textOf('/proc/self/status') ?? '') ?? []
  return {
    scope: scope === undefined ? undefined : Number(scope),
    canTrace: effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SYS_PTRACE) & 1n) === 1n,
  }
}

/** The missing abilities, in words, in the form of missingSupport(). */
export function missingByYama(facts: YamaFacts): readonly string[] {
  if (yamaAllows(facts)) return []
  const todo =
    facts.scope === 2
      ? 'sysctl kernel.yama.ptrace_scope=1, or CAP_SYS_PTRACE'
      : 'kernel.yama.ptrace_scope=1 at boot: 3 cannot be taken back'
  return [`a way to reach workers, which Yama forbids (kernel.yama.ptrace_scope is ${facts.scope}): ${todo}`]
}
