/**
 * Somebody else on the same machine, who comes when an attempt says so: takes over the number of a process that has ended, or a
 * port that was given up. An attempt writes to a file that it opened before, so that asking needs no call of the broker's.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { E, errnoName, must, scratch, Script, SIG, sys, text, words } from '../../fixtures/escapes/lib/native.mjs'
import { AF, message, rights, SOCK, unix } from '../../fixtures/escapes/lib/net.mjs'

/** Where a stranger holds its secret, as ordinary programs hold something at some number. */
const HELD = 40
const EVERY_MS = 2
const MSG_DONTWAIT = 0x40
const AGAIN = { tries: 50, milliseconds: 4 }

export class Strangers {
  #ask
  #told
  #answered = 0
  #timer
  #busy = false
  #closers = []
  #contacts = []
  #limits = new Map()
  #secretText
  #playground

  /** Both files lie in the playground. */
  constructor(playground, secretText) {
    this.#ask = join(playground, 'strangers.ask')
    this.#told = join(playground, 'strangers.told')
    this.#secretText = secretText
    this.#playground = playground
    for (const file of [this.#ask, this.#told]) writeFileSync(file, '')
    this.#timer = setInterval(() => void this.#serve(), EVERY_MS)
  }

  get facts() {
    return { strangersAsk: this.#ask, strangersTold: this.#told }
  }

  async #serve() {
    if (this.#busy) return
    this.#busy = true
    const lines = this.#read().split('\n').slice(0, -1)
    for (; this.#answered < lines.length; this.#answered++) {
      const answer = await this.#come(lines[this.#answered]).catch((error) => error.code ?? error.message)
      appendFileSync(this.#told, `${answer}\n`)
    }
    this.#busy = false
  }

  #read() {
    try {
      return readFileSync(this.#ask, 'latin1')
    } catch {
      // The attempt may do with its playground as it likes.
      return ''
    }
  }

  async #come(line) {
    const [kind, ...rest] = line.split(' ')
    const numbers = rest.map(Number)
    switch (kind) {
      case 'process':
        return this.#process(...numbers)
      case 'next':
        return nextIs(...numbers)
      case 'udp':
        return this.#udp(numbers[0], numbers[1], rest[2])
      case 'tcp':
        return this.#tcp(numbers[0], numbers[1], rest[2])
      case 'abstract':
        return this.#abstract(rest[0])
      case 'descriptor':
        return this.#descriptor(...rest)
      case 'datagram':
        return this.#datagram(...numbers)
      default:
        return 'EINVAL'
    }
  }

  /** Sends a descriptor of a secret to the unix socket of this name in the playground. */
  #descriptor(name) {
    const secret = must('memfd_create', text('stranger'), 0)
    const socket = must('socket', AF.UNIX, SOCK.DGRAM, 0)
    must('pwrite64', secret, text(this.#secretText), this.#secretText.length, 0)
    const to = unix(join(this.#playground, name))
    const sent = sys('sendmsg', socket, message('take this', { to, control: rights([secret]) }), MSG_DONTWAIT)
    for (const fd of [secret, socket]) sys('close', fd)
    return sent < 0 ? errnoName(sent) : 'here'
  }

  /** Sends the secret to this port. */
  async #datagram(port) {
    const socket = createSocket('udp4')
    this.#closers.push(() => socket.close())
    await new Promise((resolve, reject) =>
      socket.send(this.#secretText, port, '127.0.0.1', (error) => (error ? reject(error) : resolve())),
    )
    return 'here'
  }

  /** Receives datagrams at an abstract name, which another kind of socket may have as well. */
  #abstract(name) {
    const socket = must('socket', AF.UNIX, SOCK.DGRAM, 0)
    const at = unix(`\0${name}`)
    must('bind', socket, at.address, at.length)
    const came = setInterval(() => {
      if (sys('recvfrom', socket, scratch(8).address, 8, MSG_DONTWAIT, 0, 0) > 0)
        this.#contacts.push('a stranger got a datagram at its name')
    }, EVERY_MS)
    this.#closers.push(() => {
      clearInterval(came)
      sys('close', socket)
    })
    return 'here'
  }

  #process(pid, next) {
    const end = processOf(pid, this.#secretText)
    if (end === undefined) return 'EEXIST'
    this.#closers.push(end)
    this.#limits.set(pid, limitsOf(pid))
    return nextIs(next)
  }

  /** A server on a port that was somebody else's. `reuse`: 1 for SO_REUSEADDR, 2 for SO_REUSEPORT. */
  async #udp(port, reuse = 0, host = '127.0.0.1') {
    const server = createSocket({ type: 'udp4', reuseAddr: reuse === 1, reusePort: reuse === 2 }, () =>
      this.#contacts.push("a stranger's server got a datagram"),
    )
    this.#closers.push(() => server.close())
    return untilFree(async () => {
      server.bind({ port, address: host, exclusive: true })
      await Promise.race([once(server, 'listening'), once(server, 'error').then(([error]) => Promise.reject(error))])
      return 'here'
    })
  }

  async #tcp(port, reuse = 0, host = '127.0.0.1') {
    const server = createServer((socket) => {
      this.#contacts.push("a stranger's server got a connection")
      socket.on('error', () => socket.destroy())
      socket.end('canary')
    })
    this.#closers.push(() => server.close())
    return untilFree(async () => {
      server.listen({ port, host, exclusive: true, reusePort: reuse === 2 })
      await once(server, 'listening')
      return 'here'
    })
  }

  /** Who has met a stranger so far. */
  take() {
    for (const [pid, before] of this.#limits)
      if (limitsOf(pid) !== before) this.#contacts.push(`limits of stranger ${pid} were set`)
    return [...new Set(this.#contacts.splice(0))]
  }

  close() {
    clearInterval(this.#timer)
    for (const closer of this.#closers) {
      try {
        closer()
      } catch (error) {
        if (!['ESRCH', 'ERR_SERVER_NOT_RUNNING', 'ERR_SOCKET_DGRAM_NOT_RUNNING'].includes(error.code)) throw error
      }
    }
  }
}

/**
 * A process of that number, which holds this text; what is returned ends it. Undefined where the number is somebody's. clone3(2),
 * set_tid: for root.
 */
export function processOf(pid, content) {
  const memfd = must('memfd_create', text('stranger'), 0)
  must('write', memfd, text(content), content.length)
  const child = new Script(8)
  child.call('dup3', memfd, HELD, 0)
  child.call('nanosleep', words(20, 0), 0)
  child.exit()
  const parent = Script.unshared(4)
  const made = parent.call('clone3', words(0, 0, 0, 0, SIG.CHLD, 0, 0, 0, words(pid), 1, 0), 88)
  parent.ifZero(made, child.address)
  parent.run()
  sys('close', memfd)
  if (made.value === -E.EEXIST) return undefined
  if (made.value < 0) throw new Error(`clone3: ${errnoName(made.value)}`)
  return () => {
    sys('kill', pid, SIG.KILL)
    sys('wait4', pid, scratch(8).address, 0, 0)
  }
}

const limitsOf = (pid) => readFileSync(`/proc/${pid}/limits`, 'latin1')

/** The next process or thread gets this number, unless somebody else comes first. sysctl kernel.ns_last_pid: for root. */
export function nextIs(pid) {
  writeFileSync('/proc/sys/kernel/ns_last_pid', `${pid - 1}`)
  return 'here'
}

/** A port is given up a moment after the last that held it is closed. */
async function untilFree(come) {
  for (let tries = 0; ; tries++) {
    try {
      return await come()
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || tries >= AGAIN.tries) throw error
      await new Promise((resolve) => setTimeout(resolve, AGAIN.milliseconds))
    }
  }
}
