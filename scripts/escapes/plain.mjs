/** Runs one escape program without any sandbox. */
import { runProgram } from './program.mjs'

await runProgram()
