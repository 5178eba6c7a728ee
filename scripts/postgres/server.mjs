// A private PostgreSQL: its own data, its own port, gone afterwards.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { run } from '../suites/checkout.mjs'

export const PASSWORD = 'only for this run'

// Debian has the programs outside PATH, a directory for each version.
export async function findPrograms() {
  const versions = await fs.readdir('/usr/lib/postgresql').catch(() => [])
  const told = await run('pg_config', ['--bindir']).then(
    ({ output }) => [output.trim()],
    () => [],
  )
  const directories = [
    ...versions
      .map((version) => `/usr/lib/postgresql/${version}/bin`)
      .sort()
      .toReversed(),
    ...told,
  ]
  for (const directory of directories) {
    const programs = ['initdb', 'postgres'].map((name) => fs.access(path.join(directory, name), fs.constants.X_OK))
    if ((await Promise.allSettled(programs)).every(({ status }) => status === 'fulfilled')) return directory
  }
  return undefined
}

// PostgreSQL refuses to run as root; Debian's package makes a user for it.
async function account() {
  if (process.getuid() !== 0) return {}
  const ids = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, 'postgres'])))
  if (ids.some(({ code }) => code !== 0))
    throw new Error('as root, a user `postgres` is needed: apt-get install postgresql makes one')
  const [uid, gid] = ids.map(({ output }) => Number(output))
  return { uid, gid }
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

// The unix socket is for whoever the kernel says has the server's role's name, TCP for whoever knows the password.
export async function startServer(programs, scratch) {
  const owner = await account()
  const user = os.userInfo().username
  const [data, sockets, secret] = ['data', 'sockets', 'password'].map((name) => path.join(scratch, name))
  await fs.mkdir(data)
  await fs.mkdir(sockets)
  await fs.writeFile(secret, PASSWORD)
  if (owner.uid !== undefined) for (const each of [data, sockets, secret]) await fs.chown(each, owner.uid, owner.gid)
  const port = await freePort()
  const as = { ...owner, cwd: data, env: { PATH: process.env.PATH, LC_ALL: 'C' } }
  await finish(
    spawn(
      path.join(programs, 'initdb'),
      [
        '-D',
        data,
        '-U',
        user,
        `--pwfile=${secret}`,
        '--auth-local=peer',
        '--auth-host=scram-sha-256',
        '--no-sync',
        '-E',
        'UTF8',
      ],
      as,
    ),
  )
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: sockets,
    fsync: 'off',
    jit: 'off',
    max_connections: 40,
  }
  const child = spawn(
    path.join(programs, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    as,
  )
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    // Immediate shutdown: the data are thrown away.
    child.kill('SIGQUIT')
    await ended
  }
  await printed(child, 'database system is ready to accept connections').catch(async (error) => {
    await stop()
    throw error
  })
  return { port, sockets, user, child, stop }
}

async function finish(child) {
  const output = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => output.push(piece))
  const [code, signal] = await once(child, 'close')
  if (code !== 0) throw new Error(`${child.spawnfile} ended with ${signal ?? code}:\n${Buffer.concat(output)}`)
}

function printed(child, text) {
  return new Promise((resolve, reject) => {
    let output = ''
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`postgres ended with ${signal ?? code}:\n${output}`)))
    child.stdout.resume()
    child.stderr.setEncoding('utf8').on('data', (piece) => {
      output = (output + piece).slice(-20_000)
      if (output.includes(text)) resolve()
    })
  })
}
