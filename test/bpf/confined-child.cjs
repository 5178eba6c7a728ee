// Reads a list of steps as JSON from standard input, performs them on its main thread, prints the errnos: 0 for none.
//
//   { "install": "<hex of struct sock_filter[]>" }   puts this thread behind the filter: seccomp(2)
//   { "call": ["<number>", "<register>", …] }        makes a system call with these registers: syscall(2)
const { readFileSync } = require('node:fs')
const koffi = require('koffi')

const PR_SET_NO_NEW_PRIVS = 38
const SECCOMP_SET_MODE_FILTER = 1
const SECCOMP_NUMBER = process.arch === 'x64' ? 317 : 277

const libc = koffi.load('libc.so.6')
const prctl = libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')
const syscall = libc.func('int64_t syscall(int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)')
const seccomp = libc.func('syscall', 'int64_t', ['int64_t', 'uint64_t', 'uint64_t', 'void *'])

function install(hex) {
  const filter = Buffer.from(hex, 'hex')
  const fprog = Buffer.alloc(16)
  fprog.writeUInt16LE(filter.length / 8, 0)
  fprog.writeBigUInt64LE(koffi.address(filter), 8)
  return seccomp(SECCOMP_NUMBER, SECCOMP_SET_MODE_FILTER, 0, fprog)
}

function call([number, ...registers]) {
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = registers.map(BigInt)
  return syscall(BigInt(number), a, b, c, d, e, f)
}

const steps = JSON.parse(readFileSync(0, 'utf8'))
if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new Error(`no_new_privs: errno ${koffi.errno()}`)
const errnos = steps.map((step) => {
  const result = step.install === undefined ? call(step.call) : install(step.install)
  return BigInt(result) === -1n ? koffi.errno() : 0
})
process.stdout.write(JSON.stringify(errnos))
