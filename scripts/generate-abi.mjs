// Writes src/abi/syscalls.generated.ts from the kernel's uapi headers, then checks it against libseccomp's own tables.
//
//   node scripts/generate-abi.mjs [--headers DIR] [--check]
//
// DIR is where a Debian linux-libc-dev package is unpacked (default: /, where it is installed); one package holds the
// headers of every architecture. To use a newer one than the system's:
//   apt-get download linux-libc-dev/trixie-backports && dpkg-deb -x linux-libc-dev_*.deb DIR
// The independent source is scmp_sys_resolver (Debian package: seccomp). --check writes nothing and fails if the file
// would change.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const OUTPUT = fileURLToPath(new URL('../src/abi/syscalls.generated.ts', import.meta.url))
const ARCHES = [
  { arch: 'x64', header: 'usr/lib/linux/uapi/x86/asm/unistd_64.h', resolver: 'x86_64' },
  { arch: 'arm64', header: 'usr/lib/linux/uapi/arm64/asm/unistd_64.h', resolver: 'aarch64' },
]

// The only names that a resolver may lack: the headers have them, libseccomp 2.6.0 (Debian 13) is older than they are.
// 2.6.1 knows all but fchroot, and where a resolver knows one of them, it must agree like with any other.
const NEWER_THAN_LIBSECCOMP = new Set([
  'uprobe',
  'open_tree_attr',
  'file_getattr',
  'file_setattr',
  'listns',
  'rseq_slice_yield',
  'fchroot',
])

const { values: options } = parseArgs({
  options: { headers: { type: 'string', default: '/' }, check: { type: 'boolean', default: false } },
})

const version = headerVersion(options.headers)
const tables = ARCHES.map(({ arch, header, resolver }) => ({
  arch,
  resolver,
  numbers: parseHeader(join(options.headers, header)),
}))
const problems = compareWithResolver(tables)
if (problems.length > 0) fail(`scmp_sys_resolver disagrees with the headers of Linux ${version}:`, problems)

const text = render(tables, version)
if (options.check) {
  if (!existsSync(OUTPUT) || readFileSync(OUTPUT, 'utf8') !== text) {
    fail(`${OUTPUT} is not what the headers of Linux ${version} give`, ['run: node scripts/generate-abi.mjs'])
  }
} else {
  writeFileSync(OUTPUT, text)
}
for (const { arch, numbers } of tables) console.log(`${arch}: ${numbers.size} system calls, Linux ${version}`)

function headerVersion(root) {
  const file = readHeader(join(root, 'usr/include/linux/version.h'))
  const part = (name) => /(\d+)/.exec(new RegExp(`LINUX_VERSION_${name} \\d+`).exec(file)?.[0] ?? '')?.[0]
  const parts = ['MAJOR', 'PATCHLEVEL', 'SUBLEVEL'].map(part)
  if (parts.includes(undefined)) fail('linux/version.h has no version', [file])
  return parts.join('.')
}

function readHeader(path) {
  if (!existsSync(path)) {
    fail(`${path} does not exist`, ['install linux-libc-dev, or unpack it and pass --headers DIR'])
  }
  return readFileSync(path, 'utf8')
}

function parseHeader(path) {
  const numbers = new Map()
  for (const line of readHeader(path).split('\n')) {
    if (!line.startsWith('#define __NR')) continue
    const match = /^#define __NR_(\w+)\s+(\d+)$/.exec(line)
    // A form that is not understood must not silently drop a call.
    if (match === null) fail(`${path}: not understood`, [line])
    const [, name, digits] = match
    if (numbers.has(name)) fail(`${path}: defined twice`, [name])
    numbers.set(name, Number(digits))
  }
  return new Map([...numbers].sort((a, b) => a[1] - b[1]))
}

function compareWithResolver(all) {
  const names = new Set(all.flatMap(({ numbers }) => [...numbers.keys()]))
  const found = []
  for (const { arch, resolver, numbers } of all) {
    const byNumber = new Map([...numbers].map(([name, number]) => [number, name]))
    for (const name of names) {
      const ours = numbers.get(name)
      const theirs = Number(resolve(resolver, name))
      // The resolver answers a negative number for a call that it does not know or that the architecture lacks.
      const tolerated = theirs < 0 && NEWER_THAN_LIBSECCOMP.has(name)
      if ((ours ?? -1) !== Math.max(theirs, -1) && !tolerated) found.push(`${arch} ${name}: ${ours}, not ${theirs}`)
    }
    // The other way round, past the end: a call that the headers lack altogether.
    const end = Math.max(...numbers.values()) + 16
    for (let number = 0; number < end; number++) {
      const ours = byNumber.get(number)
      const theirs = resolve(resolver, String(number))
      const unknown = theirs === 'UNKNOWN'
      const tolerated = unknown && ours !== undefined && NEWER_THAN_LIBSECCOMP.has(ours)
      if (ours !== (unknown ? undefined : theirs) && !tolerated) found.push(`${arch} ${number}: ${ours}, not ${theirs}`)
    }
  }
  return found
}

function resolve(resolverArch, question) {
  try {
    return execFileSync('scmp_sys_resolver', ['-a', resolverArch, question], { encoding: 'utf8' }).trim()
  } catch (error) {
    return fail('scmp_sys_resolver cannot be run', ['install the package seccomp', String(error)])
  }
}

function render(all, linux) {
  const names = new Set(all.flatMap(({ numbers }) => [...numbers.keys()]))
  return `// Made by scripts/generate-abi.mjs from asm/unistd_64.h of x86 and arm64, headers of Linux ${linux}
// (Debian: linux-libc-dev), and checked there against scmp_sys_resolver (Debian: seccomp). Do not edit.
// ${names.size} names: ${all.map(({ arch, numbers }) => `${numbers.size} on ${arch}`).join(', ')}.
import type { Arch } from './arch.js'

export const SYSCALL_NUMBERS = {
${all.map(renderTable).join('')}} as const satisfies Readonly<Record<Arch, Readonly<Record<string, number>>>>

/** Every system call that x64 or arm64 has. */
export type SyscallName = { [A in Arch]: keyof (typeof SYSCALL_NUMBERS)[A] }[Arch]
`
}

function renderTable({ arch, numbers }) {
  return `  ${arch}: {\n${[...numbers].map(([name, number]) => `    ${name}: ${number},\n`).join('')}  },\n`
}

function fail(message, details) {
  console.error(`generate-abi: ${message}\n${details.map((line) => `  ${line}`).join('\n')}`)
  process.exit(1)
}
