/** What lies outside the sandbox: servers, a sibling process, a secret in memory. Every contact is an escape. */
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { addressOf, must, open, scratch, sys, words } from '../../fixtures/escapes/lib/native.mjs'
import { message, rights, unix } from '../../fixtures/escapes/lib/net.mjs'

const AF_UNIX = 1
const SOCK_DGRAM_NONBLOCK = 2 | 0o4000

export class Canaries {
  #contacts = []
  #queues = []
  #closers = []
  #sibling
  #siblingWas = ''
  #siblingGroup = 0
  #secretText
  #memory

  constructor(secretText) {
    this.#secretText = secretText
    this.#memory = Buffer.allocUnsafeSlow(64)
    this.#memory.fill(0).write(secretText)
  }

  async open(dir) {
    const unixSocket = `${dir}/stream.sock`
    const unixDatagram = `${dir}/datagram.sock`
    const abstractSocket = `escapes-${process.pid}`
    const rightsSocket = `${dir}/rights.sock`
    await this.#stream('unix stream', unixSocket)
    await this.#generous(rightsSocket, dir)
    const calledBackSocket = `${dir}/called-back.sock`
    await this.#callsBack(calledBackSocket, `${dir}/passed.txt`)
    const calledBackDatagram = `${dir}/called-back-datagram.sock`
    this.#callsBackDatagrams(calledBackDatagram, `${dir}/passed.txt`)
    await this.#stream('abstract stream', `\0${abstractSocket}`)
    const tcpPort = await this.#stream('tcp', { host: '127.0.0.1', port: 0 })
    const udpPort = await this.#udp()
    const [friendPort, friendUdpPort] = await this.#friends()
    this.#datagram(unixDatagram)
    for (const signal of ['SIGUSR2', 'SIGURG']) process.on(signal, () => this.#contacts.push('signal to the parent'))
    this.#startSibling()
    const automounted = await this.#automounter(`${dir}/automounted`, `${dir}/asked.txt`)
    const folding = `${dir}/folding`
    const isFolding = await this.#mounted('folding.mjs', folding, this.#secretText)
    return {
      ...(automounted === undefined ? {} : { automounted }),
      ...(isFolding ? { folding } : {}),
      unixSocket,
      unixDatagram,
      abstractSocket,
      tcpPort,
      udpPort,
      rightsSocket,
      calledBackSocket,
      calledBackDatagram,
      friendPort,
      friendUdpPort,
    }
  }

  get facts() {
    return {
      siblingPid: this.#sibling.pid,
      siblingGroup: this.#siblingGroup,
      parentMemory: { address: addressOf(this.#memory), length: this.#memory.length },
    }
  }

  async #stream(name, where) {
    const server = createServer((socket) => {
      this.#contacts.push(`${name} connection`)
      socket.on('error', () => socket.destroy())
      socket.end('canary')
    })
    server.listen(where)
    await once(server, 'listening')
    this.#closers.push(() => server.close())
    const { port } = server.address()
    this.#queues.push(async () => {
      await answered(port === undefined ? { path: where } : { ...where, port })
      const own = this.#contacts.lastIndexOf(`${name} connection`)
      if (own < 0) throw new Error(`${name}: an answer to nobody`)
      this.#contacts.splice(own, 1)
    })
    return port
  }

  /** A server that hands a descriptor of a secret to whoever connects, as a granted one outside might. */
  async #generous(where, dir) {
    const path = `${dir}/passed.txt`
    writeFileSync(path, `${this.#secretText}\n`)
    const server = createServer((socket) => {
      const secret = open(path)
      sys('sendmsg', socket._handle.fd, message('canary', { control: rights([secret]) }), 0)
      sys('close', secret)
      socket.on('error', () => socket.destroy())
      socket.end()
    })
    server.listen(where)
    await once(server, 'listening')
    this.#closers.push(() => server.close())
  }

  /** A server that sends a descriptor of a secret over the socket that it is handed. */
  async #callsBack(where, path) {
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', () => socket.destroy())
      setTimeout(() => {
        sendBack(receiver(socket._handle?.fd ?? -1)(), path)
        socket.destroy()
      }, 100)
    })
    server.listen(where)
    await once(server, 'listening')
    this.#closers.push(() => server.close())
  }

  /** The same for datagrams. */
  #callsBackDatagrams(where, path) {
    const fd = boundDatagram(where)
    const receive = receiver(fd)
    const timer = setInterval(() => sendBack(receive(), path), 20)
    this.#closers.push(() => {
      clearInterval(timer)
      sys('close', fd)
    })
  }

  /** Servers that a program may be granted: whoever comes is welcome. */
  async #friends() {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.write('welcome')
    })
    server.listen({ host: '127.0.0.1', port: 0 })
    const packets = createSocket('udp4')
    packets.bind(0, '127.0.0.1')
    await Promise.all([once(server, 'listening'), once(packets, 'listening')])
    this.#closers.push(
      () => server.close(),
      () => packets.close(),
    )
    return [server.address().port, packets.address().port]
  }

  /** A directory in which to look a name up is to ask for it. */
  async #automounter(directory, names) {
    writeFileSync(names, '')
    if (!(await this.#mounted('automounter.mjs', directory, names))) return undefined
    let read = 0
    this.automountRequests = () => {
      const asked = readFileSync(names, 'utf8')
      const fresh = asked
        .slice(read)
        .split('\n')
        .filter((name) => name !== '')
      read = asked.length
      return fresh
    }
    return directory
  }

  /** Whether a process that serves a directory could mount it. Only root can, and not in every container. */
  async #mounted(script, directory, ...args) {
    mkdirSync(directory)
    const path = fileURLToPath(new URL(script, import.meta.url))
    const daemon = spawn(process.execPath, [path, directory, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // An automounter serves whoever is not of its group.
      detached: true,
    })
    const [said] = await Promise.race([once(daemon.stdout, 'data'), once(daemon, 'exit')])
    daemon.unref()
    daemon.stdout.destroy()
    if (!String(said).startsWith('ready')) return false
    this.#closers.push(() => {
      daemon.kill('SIGKILL')
      spawnSync('umount', ['-l', directory])
    })
    return true
  }

  automountRequests = () => []

  async #udp() {
    const own = createSocket('udp4')
    own.bind(0, '127.0.0.1')
    await once(own, 'listening')
    const socket = createSocket('udp4', (message, from) => {
      const { address, port: ownPort } = own.address()
      const isOwn = from.address === address && from.port === ownPort
      if (!isOwn) this.#contacts.push('udp datagram')
      socket.send(isOwn ? message : 'canary', from.port, from.address)
    })
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    this.#closers.push(
      () => socket.close(),
      () => own.close(),
    )
    const { port } = socket.address()
    this.#queues.push(() => echoed(own, port))
    return port
  }

  /**
   * Waits until all who came before now have been seen: one of our own comes last, and does not count. Node takes one
   * connection after the other, and there may be hundreds.
   */
  async #seen() {
    for (const last of this.#queues) await last()
  }

  /** Node has no AF_UNIX datagrams. */
  #datagram(path) {
    const fd = boundDatagram(path)
    const buffer = scratch(64)
    this.#closers.push(() => sys('close', fd))
    this.receiveDatagrams = () => {
      while (sys('recvfrom', fd, buffer.address, 64, 0, 0, 0) >= 0) this.#contacts.push('unix datagram')
    }
  }

  #startSibling() {
    const sibling = spawn('sleep', ['infinity'], { stdio: 'ignore', env: { SECRET: this.#secretText } })
    sibling.unref()
    this.#sibling = sibling
    this.#siblingWas = standing(sibling.pid)
    this.#siblingGroup = Number(statOf(sibling.pid)[2])
    this.#parentWas = standing(process.pid)
  }

  #parentWas = ''

  /** What happened since the last time. */
  async take() {
    this.receiveDatagrams()
    // A signal of a process that is gone by now may still wait in the event loop.
    await new Promise((resolve) => setTimeout(resolve, 15))
    await this.#seen()
    const found = this.#contacts.splice(0)
    for (const name of this.automountRequests()) found.push(`the automounter was asked for ${name}`)
    if (!this.#memory.toString('latin1').startsWith(this.#secretText)) {
      found.push('the memory of the parent was changed')
      this.#memory.fill(0).write(this.#secretText)
    }
    const sibling = standing(this.#sibling.pid)
    if (this.#sibling.signalCode !== null || this.#sibling.exitCode !== null) found.push('the sibling was killed')
    else if (sibling !== this.#siblingWas) found.push(`the sibling was changed: ${sibling}`)
    if (sibling !== this.#siblingWas) {
      this.#sibling.kill('SIGKILL')
      this.#startSibling()
    }
    const parent = standing(process.pid)
    if (parent !== this.#parentWas) found.push(`the parent was changed: ${parent} instead of ${this.#parentWas}`)
    this.#parentWas = parent
    return [...new Set(found)]
  }

  close() {
    for (const closer of this.#closers) closer()
    this.#sibling.kill('SIGKILL')
  }
}

/** Connects, and resolves when there was an answer. While the queue of a unix socket is full, EAGAIN. */
async function answered(where) {
  for (;;) {
    const own = connect(where)
    try {
      await once(own, 'data')
      return
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    } finally {
      own.destroy()
    }
  }
}

let asked = 0

/** Sends a datagram, and resolves when it came back. While the other queue is full, the kernel drops it: then again. */
async function echoed(own, port) {
  const text = `${++asked}`
  const send = () => own.send(text, port, '127.0.0.1')
  send()
  const timer = setInterval(send, 20)
  // Answers to those before may come late.
  for (let answer; answer !== text;) [answer] = (await once(own, 'message')).map(String)
  clearInterval(timer)
}

function boundDatagram(path) {
  const fd = must('socket', AF_UNIX, SOCK_DGRAM_NONBLOCK, 0)
  const address = unix(path)
  must('bind', fd, address.address, address.length)
  return fd
}

/** Receives over a socket, again and again: returns the descriptor that was handed over, 0 for none. */
function receiver(fd) {
  const [control, data] = [scratch(64), scratch(64)]
  const [vector, header] = [words(data.address, 64), scratch(56)]
  return () => {
    control.bytes.fill(0)
    const fields = [0, 0, vector, 1, control.address, 64, 0]
    fields.forEach((value, index) => header.bytes.writeBigInt64LE(BigInt(value), index * 8))
    sys('recvmsg', fd, header.address, 0x40)
    return control.bytes.readInt32LE(16)
  }
}

/** Sends a descriptor of the secret over a socket that was handed over here. */
function sendBack(handed, path) {
  if (handed <= 0) return
  const secret = open(path)
  sys('sendmsg', handed, message('canary', { control: rights([secret]) }), 0x40)
  for (const one of [secret, handed]) sys('close', one)
}

/** What another process could change about this one: state, group, nice value, limits, affinity, and so on. */
export function standing(pid) {
  try {
    const stat = statOf(pid)
    const state = 'TtXZ'.includes(stat[0]) ? stat[0] : 'runs'
    const limits = readFileSync(`/proc/${pid}/limits`, 'latin1').replace(/\s+/g, ' ')
    const affinity = /Cpus_allowed:\s*(\S+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return [state, stat[2], stat[3], stat[15], stat[16], stat[37], stat[38], affinity, hash(limits)].join(' ')
  } catch (error) {
    return error.code
  }
}

/** proc_pid_stat(5): what comes after the name. */
function statOf(pid) {
  return readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ')
}

function hash(text) {
  let sum = 0
  for (const char of text) sum = (sum * 31 + char.codePointAt(0)) | 0
  return sum
}
