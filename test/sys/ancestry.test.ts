import { describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import { relationOf, type Parentage } from '../../src/sys/ancestry.js'
import { Fail, type Outcome } from '../../src/syscalls/outcome.js'

const WORKER = 100

/** Parents by number, and what becomes of them with each look. */
class Machine {
  readonly parents = new Map<number, number>([[WORKER, 50]])
  readonly threads = new Map<number, number>()
  looks = 0
  happens: (look: number, pid: number) => void = () => {}

  relation(pid: number, isRoot = true): string {
    return relationOf(
      pid,
      WORKER,
      (asked) => this.#look(asked),
      () => isRoot,
    )
  }

  #look(asked: number): Outcome<Parentage> {
    const pid = this.threads.get(asked) ?? asked
    const parent = this.parents.get(pid)
    const found = parent === undefined ? Fail.of(Errno.ESRCH) : { pid, parent }
    this.happens(++this.looks, asked)
    return found
  }
}

describe('a process is of the own tree', () => {
  test('if its parents lead to the worker, which still has its number', () => {
    const machine = new Machine()
    machine.parents.set(101, WORKER).set(102, 101).set(51, 50).set(50, 1)
    machine.threads.set(103, 102)
    expect([100, 101, 102, 103, 51, 50, 9999].map((pid) => machine.relation(pid))).toEqual([
      'ownTree',
      'ownTree',
      'ownTree',
      'ownTree',
      'foreign',
      'foreign',
      'exited',
    ])
    expect(machine.relation(102, false)).toBe('foreign')
  })

  test.each([1, 2, 3, 4])(
    'and not if a parent outside ends after %i looks and its number is a child of the worker',
    (when) => {
      const machine = new Machine()
      // A stranger, whose parent ends; init takes it over.
      machine.parents.set(200, 60).set(60, 50).set(50, 1)
      machine.happens = (look) => {
        if (look === when) machine.parents.set(200, 1).set(60, WORKER)
      }
      expect(machine.relation(200)).toBe('foreign')
    },
  )

  test('nor by a way that goes in circles or never ends', () => {
    const machine = new Machine()
    machine.parents.set(300, 301).set(301, 300)
    expect(machine.relation(300)).toBe('foreign')
  })
})
