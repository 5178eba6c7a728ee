#!/bin/node
/**
 * The first process of a machine: mounts what every system has, runs the jobs one after the other, and switches the machine off. What a
 * job prints goes to the console, between lines that begin with `@@`.
 */
'use strict'
const { spawn } = require('node:child_process')
const { createRequire } = require('node:module')
const {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} = require('node:fs')
const koffi = createRequire('/project/')('koffi')

const libc = koffi.load('libc.so.6')
const mount = libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)')
const reboot = libc.func('int reboot(int)')
const socket = libc.func('int socket(int, int, int)')
const ioctl = libc.func('int ioctl(int, unsigned long, void *)')
const syscall = libc.func('long syscall(long, int, const char *, int)')

const RB_POWER_OFF = 0x4321fedc
const FINIT_MODULE = process.arch === 'x64' ? 313 : 273
const [SIOCSIFFLAGS, IFF_UP] = [0x8914, 1]

const say = (text) => writeSync(1, `${text}\n`)

function prepare() {
  for (const [type, at] of [
    ['proc', '/proc'],
    ['sysfs', '/sys'],
    ['devtmpfs', '/dev'],
    ['tmpfs', '/tmp'],
    ['securityfs', '/sys/kernel/security'],
  ])
    mount(type, at, type, 0, '')
  for (const [type, at] of [
    ['devpts', '/dev/pts'],
    ['tmpfs', '/dev/shm'],
  ]) {
    mkdirSync(at, { recursive: true })
    mount(type, at, type, 0, '')
  }
  chmodSync('/tmp', 0o1777)
  for (const name of readdirSync('/modules').sort())
    if (syscall(FINIT_MODULE, openSync(`/modules/${name}`), '', 0) !== 0)
      say(`@@ cannot load ${name}: ${koffi.errno()}`)
  const request = Buffer.alloc(40)
  request.write('lo')
  request.writeInt16LE(IFF_UP, 16)
  ioctl(socket(2, 2, 0), SIOCSIFFLAGS, request)
}

const USER = 65534

/** What the project's run makes belongs to whoever runs it. */
function give(dir, user) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = `${dir}/${entry.name}`
    if (entry.isDirectory()) give(path, user)
    lchownSync(path, user, user)
  }
  lchownSync(dir, user, user)
}

function run({ name, command, cwd, env, seconds, as, yama = 0 }) {
  const user = as === 'user' ? USER : 0
  give('/cell', user)
  const scope = '/proc/sys/kernel/yama/ptrace_scope'
  if (existsSync(scope)) writeFileSync(scope, `${yama}`)
  return new Promise((resolve) => {
    say(`@@ begins ${name}`)
    const began = Date.now()
    const child = spawn(command[0], command.slice(1), {
      cwd,
      env: { PATH: '/usr/bin:/bin', HOME: '/root', LANG: 'C.UTF-8', NO_COLOR: '1', CI: '1', TERM: 'dumb', ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
      uid: user,
      gid: user,
      detached: true,
    })
    const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), seconds * 1000)
    child.once('error', (error) => say(String(error)))
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      say(`@@ ends ${JSON.stringify({ name, code, signal, seconds: (Date.now() - began) / 1000 })}`)
      resolve()
    })
  })
}

async function main() {
  prepare()
  say(`@@ up ${JSON.stringify({ release: require('node:os').release(), node: process.version, arch: process.arch })}`)
  for (const job of JSON.parse(readFileSync('/jobs.json', 'utf8'))) await run(job)
}

main()
  .catch((error) => say(`@@ failed ${error.stack}`))
  .finally(() => {
    say('@@ off')
    reboot(RB_POWER_OFF)
  })
