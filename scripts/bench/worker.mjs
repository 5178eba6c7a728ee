/** The worker's side: as the runtime of a confined worker over its transport, and over its own pipes where nothing confines it. */
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { createServer, Agent, request } from 'node:http'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'

const HEAD = 0.1

/** Nanoseconds per call, one number a batch, for so many seconds. */
function batches(seconds, size, run) {
  const until = performance.now() + seconds * 1000
  const found = []
  for (let warm = performance.now() + seconds * 1000 * HEAD; performance.now() < warm;) run()
  while (performance.now() < until) {
    const began = performance.now()
    for (let at = 0; at < size; at++) run()
    found.push(((performance.now() - began) * 1e6) / size)
  }
  return found
}

async function requestsPerSecond(seconds) {
  const server = createServer((_, response) => response.end('hello'))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const get = () =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, agent }, (response) => response.resume().once('end', resolve))
        .once('error', reject)
        .end()
    })
  const rounds = []
  const until = performance.now() + seconds * 1000
  let done = 0
  let since = performance.now()
  const client = async () => {
    while (performance.now() < until) {
      await get()
      if (++done % 200 !== 0) continue
      rounds.push(((performance.now() - since) * 1e6) / 200)
      since = performance.now()
    }
  }
  await Promise.all(Array.from({ length: 16 }, client))
  agent.destroy()
  await new Promise((resolve) => server.close(resolve))
  return rounds.slice(1)
}

const OPERATIONS = {
  native: (program, name, seconds, directory) => {
    const { status, stdout, stderr, error } = spawnSync(program, [name, String(seconds), directory], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}${error ?? ''}`)
    return stdout.trim().split('\n').map(Number)
  },
  readFileSync: (seconds, file) => batches(seconds, 50, () => readFileSync(file)),
  statSync: (seconds, file) => batches(seconds, 50, () => statSync(file)),
  http: requestsPerSecond,
  cpu: () => process.cpuUsage(),
  memory: () => process.memoryUsage().rss,
}

function serve(input, output) {
  createInterface({ input }).on('line', async (line) => {
    const { operation, args } = JSON.parse(line)
    let answer
    try {
      answer = { value: await OPERATIONS[operation](...args) }
    } catch (error) {
      answer = { error: String(error?.stack ?? error) }
    }
    output.write(`${JSON.stringify(answer)}\n`)
  })
}

/** What the host's entry calls. */
export function main({ transport }) {
  const socket = new Socket({ fd: transport, readable: true, writable: true })
  socket.on('close', () => process.exit(0))
  serve(socket, socket)
}

if (process.argv[2] === '--serve') serve(process.stdin, process.stdout)
