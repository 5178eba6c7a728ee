import { writeSync } from 'node:fs'
import { stageFromEnvironment } from '../../fixtures/escapes/lib/stage.mjs'

/** What stands before the result line, apart from whatever else a program prints. */
export const MARK = 'ESCAPE-RESULT '

/** Runs `attempt` of the program that the environment names, and writes its result to stdout as a line of JSON. */
export async function runProgram() {
  let result
  try {
    const { attempt } = await import(process.env.ESCAPES_PROGRAM)
    const evidence = await attempt(stageFromEnvironment())
    result = evidence ? { evidence } : { refused: 'nothing came of it' }
  } catch (error) {
    result = { refused: String(error?.message ?? error).slice(0, 300) }
  }
  writeSync(1, `\n${MARK}${JSON.stringify(result)}\n`)
  process.exit(0)
}
