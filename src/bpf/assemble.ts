import { BpfError } from './errors.js'
import { MAX_BRANCH, MAX_INSTRUCTIONS, OP, type Instruction, type Program } from './instruction.js'

export type Label = string

/**
 * A program with labels instead of distances. A branch names both of its targets, which must stand further down:
 * classic BPF cannot jump back. `load` and `and` go on with the next line.
 */
export type Line =
  | { readonly op: 'label'; readonly name: Label }
  | { readonly op: 'load'; readonly offset: number }
  | { readonly op: 'and'; readonly mask: number }
  | {
      readonly op: 'branch'
      readonly when: Comparison
      readonly value: number
      readonly yes: Label
      readonly no: Label
    }
  | { readonly op: 'return'; readonly value: number }

type Comparison = 'equal' | 'greater-or-equal' | 'any-bit'

const BRANCH_CODE: Readonly<Record<Comparison, number>> = {
  equal: OP.jumpEqual,
  'greater-or-equal': OP.jumpGreaterOrEqual,
  'any-bit': OP.jumpAnyBit,
}

/**
 * Turns lines into instructions. Throws a BpfError if a label is missing, doubled or above its use, or the program is
 * too long.
 */
export function assemble(lines: readonly Line[]): Program {
  const backwards = new BackwardsProgram()
  for (const line of lines.toReversed()) backwards.prepend(line)
  return backwards.finish()
}

/**
 * The program, built from its end to its start. That way all targets of a branch are in place when the branch is
 * written, and an instruction that is inserted later stands before it and moves no distance that is already encoded:
 * one pass is enough.
 *
 * Positions count from the end: the last instruction is 0.
 */
class BackwardsProgram {
  readonly #instructions: Instruction[] = []
  /** The position of each label. */
  readonly #home = new Map<Label, number>()
  /** The nearest instruction that leads to a label: its home, or a jump to it. */
  readonly #nearest = new Map<Label, number>()

  prepend(line: Line): void {
    switch (line.op) {
      case 'label':
        return this.#place(line.name)
      case 'load':
        return this.#push(OP.load, line.offset)
      case 'and':
        return this.#push(OP.and, line.mask)
      case 'return':
        return this.#push(OP.return, line.value)
      case 'branch':
        return this.#branch(line.when, line.value, line.yes, line.no)
    }
  }

  finish(): Program {
    const { length } = this.#instructions
    if (length > MAX_INSTRUCTIONS) {
      throw new BpfError('program', `at most ${MAX_INSTRUCTIONS} instructions`, String(length))
    }
    return this.#instructions.toReversed()
  }

  #place(name: Label): void {
    const position = this.#instructions.length - 1
    if (this.#home.has(name)) throw new BpfError(`label ${name}`, 'one place', 'a second one')
    if (position < 0) throw new BpfError(`label ${name}`, 'an instruction behind it', 'the end of the program')
    this.#home.set(name, position)
    this.#nearest.set(name, position)
  }

  #branch(when: Comparison, value: number, yes: Label, no: Label): void {
    // An extra jump for one target moves the other target one place further away: look again after each.
    for (let far = this.#outOfReach(yes, no); far !== undefined; far = this.#outOfReach(yes, no)) this.#step(far)
    this.#push(BRANCH_CODE[when], value, this.#distance(this.#nearest, yes), this.#distance(this.#nearest, no))
  }

  #outOfReach(...labels: readonly Label[]): Label | undefined {
    return labels.find((label) => this.#distance(this.#nearest, label) > MAX_BRANCH)
  }

  /** Inserts a jump to a far label here. Only branches arrive at it, since the line above is a branch. */
  #step(label: Label): void {
    const target = this.#instructions[this.#position(this.#home, label)]
    // A copied `return` is as short as the jump to it, and saves a step.
    if (target?.code === OP.return) this.#instructions.push(target)
    else this.#push(OP.jump, this.#distance(this.#home, label))
    this.#nearest.set(label, this.#instructions.length - 1)
  }

  #push(code: number, k: number, jt = 0, jf = 0): void {
    this.#instructions.push({ code, jt, jf, k: k >>> 0 })
  }

  /** The number of instructions that the next one, written above all others, must skip. */
  #distance(positions: ReadonlyMap<Label, number>, label: Label): number {
    return this.#instructions.length - this.#position(positions, label) - 1
  }

  #position(positions: ReadonlyMap<Label, number>, label: Label): number {
    const position = positions.get(label)
    if (position === undefined) throw new BpfError(`label ${label}`, 'a place below the branch to it', 'none')
    return position
  }
}
