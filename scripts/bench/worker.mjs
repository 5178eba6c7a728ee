/** The worker's side: as the runtime of a confined worker over its transport, and over its own pipes where nothing confines it. */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  promises,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  write,
  writeFileSync,
} from 'node:fs'
import { createServer, Agent, request } from 'node:http'
import { connect, createServer as createListener, Socket } from 'node:net'
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

/** One call of each kind, in a directory of its own. */
const CALLS = {
  stat: (directory) => statSync(directory),
  open: (directory) => closeSync(openSync(`${directory}/file`, 'r')),
  rename: (directory) => renameSync(`${directory}/file`, `${directory}/file`),
  mkdir(directory) {
    mkdirSync(`${directory}/made`)
    rmdirSync(`${directory}/made`)
  },
  async accept(directory) {
    const server = createListener()
    await new Promise((resolve) => server.listen(`${directory}/socket`, resolve))
    const accepted = new Promise((resolve) => void server.once('connection', resolve))
    const client = connect(`${directory}/socket`)
    const socket = await accepted
    client.destroy()
    socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  },
}

/** Milliseconds of single calls. */
async function latencies(seconds, call, directory) {
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}/file`, '')
  const taken = []
  for (const until = performance.now() + seconds * 1000; performance.now() < until;) {
    const began = performance.now()
    await CALLS[call](directory)
    taken.push(performance.now() - began)
    // One that hears what is said in between, as any program.
    await new Promise((resolve) => void setImmediate(resolve))
  }
  return taken
}

/** A worker at its worst, for as long. `UV_THREADPOOL_SIZE` says how many threads it has. */
const WORST = {
  /** rename(2) waits for the lock of the file that it replaces, which whoever writes to it has. */
  async 'renames onto a file that all its threads write'(isOver, directory) {
    const block = Buffer.alloc(16 << 20)
    for (let round = 0; !isOver(); round++) {
      const target = openSync(`${directory}/target`, 'w')
      writeFileSync(`${directory}/other`, '')
      const writes = Array.from(
        { length: 40 },
        () => new Promise((resolve) => void write(target, block, 0, block.length, 0, resolve)),
      )
      await Promise.all([promises.rename(`${directory}/other`, `${directory}/target`), ...writes])
      closeSync(target)
    }
  },
  async 'makes calls in all its threads'(isOver, directory) {
    const call = async () => {
      while (!isOver()) await promises.stat(`${directory}/nothing`).catch(() => undefined)
    }
    await Promise.all(Array.from({ length: 40 }, call))
  },
  async 'makes and removes files of 1 GB'(isOver, directory) {
    while (!isOver()) {
      await fill(`${directory}/large`, isOver)
      await promises.unlink(`${directory}/large`)
    }
  },
  /** truncate(2) and O_TRUNC free the content before they return. */
  async 'makes and empties files of 1 GB'(isOver, directory) {
    for (let round = 0; !isOver(); round++) {
      await fill(`${directory}/large`, isOver)
      if (round % 2 === 0) await promises.truncate(`${directory}/large`, 0)
      else await (await promises.open(`${directory}/large`, 'w')).close()
    }
    rmSync(`${directory}/large`, { force: true })
  },
  /** chmod(2), utimensat(2), link(2) and unlink(2) wait for the file's lock as rename(2) does. */
  async 'changes a file that all its threads write'(isOver, directory) {
    const block = Buffer.alloc(16 << 20)
    const path = `${directory}/written`
    while (!isOver()) {
      const target = openSync(path, 'w')
      const writes = Array.from(
        { length: 30 },
        () => new Promise((resolve) => void write(target, block, 0, block.length, 0, resolve)),
      )
      await promises.chmod(path, 0o600)
      await promises.utimes(path, 1, 1)
      await promises.link(path, `${path}-2`)
      await promises.unlink(`${path}-2`)
      await Promise.all(writes)
      closeSync(target)
    }
  },
}

/** Fills a file with 1 GB. */
async function fill(path, isOver) {
  const block = Buffer.alloc(64 << 20)
  const file = openSync(path, 'w')
  for (let at = 0; at < 16 && !isOver(); at++)
    await new Promise((resolve) => void write(file, block, 0, block.length, at * block.length, resolve))
  closeSync(file)
}

async function harass(seconds, how, directory) {
  mkdirSync(directory, { recursive: true })
  const until = performance.now() + seconds * 1000
  await WORST[how](() => performance.now() > until, directory)
  return 'over'
}

/** Of a worker that is its own neighbour. */
async function latenciesBeside(how, worstDirectory, seconds, ...rest) {
  const over = harass(seconds, how, worstDirectory)
  const taken = await latencies(seconds, ...rest)
  await over
  return taken
}

const OPERATIONS = {
  program(file, args) {
    const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${file} ended with ${status}: ${stderr}${error ?? ''}`)
    return stdout
  },
  latencies,
  harass,
  latenciesBeside,

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
