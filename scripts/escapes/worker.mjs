/**
 * Stands in for `vitest/worker` in a confined worker: loaded before the filter, and `init` called behind it. What
 * Vitest
 * would do there, the program does.
 */
import { runProgram } from './program.mjs'

export function init() {
  void runProgram()
}

export const setupEnvironment = undefined

export function runBaseTests() {
  throw new Error('no tests here')
}
