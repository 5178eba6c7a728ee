import type { Label, Line } from './assemble.js'
import { caseLines } from './cases.js'
import { returnValue } from './return-value.js'
import { actionName, type Action, type SyscallRule } from './rules.js'

/**
 * The leaves of the search for a number: an action, or a block of cases. Each exists once, however many numbers lead to
 * it, so that neighbours with the same target can be merged by comparing labels.
 */
export class Targets {
  readonly #actions = new Map<Label, Action>()
  readonly #blocks = new Map<string, { readonly label: Label; readonly rule: SyscallRule }>()

  action(action: Action): Label {
    const label = actionName(action)
    this.#actions.set(label, action)
    return label
  }

  rule(rule: SyscallRule): Label {
    if (rule.cases.length === 0) return this.action(rule.otherwise)
    const key = blockKey(rule)
    const known = this.#blocks.get(key)
    if (known !== undefined) return known.label
    const label = `cases ${this.#blocks.size}`
    this.#blocks.set(key, { label, rule })
    return label
  }

  /** The blocks, then the actions at the very end, so that everything above can jump down to them. */
  lines(): readonly Line[] {
    const blocks = [...this.#blocks.values()].flatMap(({ label, rule }): readonly Line[] => [
      { op: 'label', name: label },
      ...caseLines(rule, label, (action) => this.action(action)),
    ])
    const actions = [...this.#actions].flatMap(([name, action]): readonly Line[] => [
      { op: 'label', name },
      { op: 'return', value: returnValue(action) },
    ])
    return [...blocks, ...actions]
  }
}

/** A key that is equal for rules that differ only in their number. */
function blockKey({ cases, otherwise }: SyscallRule): string {
  return JSON.stringify([cases, otherwise], (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
}
