/** For Vitest on a machine: a line for each file as soon as it is over, so that a run that is cut short still counts for what it did. */
import { relative } from 'node:path'

export default class {
  onTestModuleEnd(module) {
    const found = { passed: 0, failed: 0, skipped: 0, wrong: [] }
    for (const test of module.children.allTests()) {
      const { state, errors = [] } = test.result()
      found[state === 'pending' ? 'skipped' : state] += 1
      if (state === 'failed') found.wrong.push(`${test.fullName}: ${errors[0]?.message.split('\n')[0]}`)
    }
    for (const { message } of module.errors()) found.wrong.push(`(file): ${message.split('\n')[0]}`)
    process.stdout.write(`@@ item ${JSON.stringify({ name: relative(process.cwd(), module.moduleId), ...found })}\n`)
  }
}
