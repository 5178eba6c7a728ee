/** The worlds in which the same thing is done: nothing around it, the C broker, ours. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startConfined } from './confined.mjs'

const worker = fileURLToPath(new URL('worker.mjs', import.meta.url))

export function startPlain(command, more = {}) {
  const [program, ...words] = [...command, process.execPath, worker, '--serve']
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...more } })
  const waiting = []
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => waiting.shift()?.(JSON.parse(line)))
  lines.on('close', () => {
    for (const give of waiting.splice(0)) give({ error: `${program} ended` })
  })
  return {
    async ask(operation, ...args) {
      const answer = await new Promise((resolve) => {
        waiting.push(resolve)
        child.stdin.write(`${JSON.stringify({ operation, args })}\n`)
      })
      if (answer.error !== undefined) throw new Error(`${operation}: ${answer.error}`)
      return answer.value
    },
    async stop() {
      const ended = new Promise((resolve) => void child.once('exit', resolve))
      child.stdin.end()
      await ended
    },
  }
}

/** `native`: what compileNative gave. Without a compiler there is no C broker. */
export async function startWorlds(native, manifest, root) {
  return {
    plain: startPlain([]),
    ...(typeof native === 'string' ? {} : { c: startPlain([native.broker]) }),
    ours: await startConfined(manifest, root),
  }
}
