/** What the tests of the rows have in common. */
import type { GateOutcome } from '../../../src/vitest/gate/outcome.js'
import type { Scratch, Setting } from './stand-in.js'

export type Call = (args: readonly unknown[], setting?: Setting) => Promise<GateOutcome>
export type Row = (call: Call, at: Scratch, kept: string[]) => Promise<void>

export const own = (at: Scratch): string => at.at('test/own.test.ts')
export const file = (at: Scratch, tasks: unknown[] = []) => ({
  id: 'own',
  filepath: own(at),
  type: 'suite',
  name: 'own',
  tasks,
  projectName: 'forged',
})

export interface Rows {
  readonly [method: string]: Row
}
