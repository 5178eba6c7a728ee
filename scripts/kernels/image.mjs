/** The initial file system of a machine: a kernel, Node with its libraries, this repository as built, and a project that uses it. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { layOut } from '../matrix/project.mjs'
import { must } from '../matrix/tools.mjs'
import { DEBIAN } from './machines.mjs'

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const here = dirname(fileURLToPath(import.meta.url))
/** What no test on a machine needs, by the names of packages. */
const LEFT_OUT = [/^@?oxlint/, /^@?oxfmt/, /^@typescript$/, /^typescript$/, /^@arethetypeswrong$/, /^happy-dom$/]
const PARTS = ['dist', 'src', 'test', 'scripts', 'package.json', 'tsconfig.json', 'vitest.config.ts', 'docs']

/** From here on, npm installs for this processor. It guesses the libc only where it guesses the system. */
export function installFor(arch) {
  Object.assign(process.env, { npm_config_cpu: arch, npm_config_os: 'linux', npm_config_libc: 'glibc' })
}

/** Returns the kernel and the initial file system, as files. `debs`: `{ kernel, foreign }`. */
export async function makeImage(base, machine, { debs, tarball, node, jobs, suites }) {
  const root = join(base, 'root')
  rmSync(root, { recursive: true, force: true })
  for (const dir of ['proc', 'sys', 'dev', 'tmp', 'run', 'root', 'etc', 'usr/bin', 'usr/lib', 'usr/lib64', 'modules'])
    mkdirSync(join(root, dir), { recursive: true })
  for (const dir of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${dir}`, join(root, dir))
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\npostgres:x:100:100:postgres:/tmp:/bin/sh\n',
  )
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\npostgres:x:100:\n')
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n')
  writeFileSync(join(root, 'etc/nsswitch.conf'), 'hosts: files\n')
  const vmlinuz = await unpackKernel(base, debs.kernel, root)
  await copyNode(base, machine.arch, debs.foreign, root)
  await copyProject(base, machine.arch, root)
  await layCell(base, machine, root, { tarball, node })
  if (suites !== undefined) cpSync(suites, join(root, 'suites'), { recursive: true, verbatimSymlinks: true })
  if (machine.arch === process.arch) copyPostgres(root)
  writeFileSync(join(root, 'jobs.json'), JSON.stringify(jobs))
  copyFileSync(join(here, 'init.cjs'), join(root, 'init'))
  chmodSync(join(root, 'init'), 0o755)
  const image = join(base, 'initial.cpio')
  execFileSync('sh', ['-c', `find . -print0 | cpio --null --create --format=newc --quiet > '${image}'`], { cwd: root })
  return { vmlinuz, image }
}

const MODULES = ['inet_diag', 'tcp_diag', 'udp_diag', 'fuse', 'autofs4']

/** sock_diag(7) and the file systems of the escape corpus are in modules, which nobody loads there by itself. */
async function unpackKernel(base, deb, root) {
  const dir = join(base, 'kernel')
  rmSync(dir, { recursive: true, force: true })
  await must('dpkg-deb', ['--extract', deb, dir])
  const all = readdirSync(dir, { recursive: true, encoding: 'utf8' })
  MODULES.forEach((name, index) => {
    const file = all.find((path) => new RegExp(`/${name}\\.ko(?:\\.xz)?$`).test(path))
    if (file === undefined) return
    const to = join(root, 'modules', `${index}-${name}.ko${file.endsWith('.xz') ? '.xz' : ''}`)
    copyFileSync(join(dir, file), to)
    if (to.endsWith('.xz')) execFileSync('xz', ['--decompress', to])
  })
  const vmlinuz = all.find((path) => path.startsWith('boot/vmlinuz-'))
  if (vmlinuz === undefined) throw new Error(`${deb} has no kernel`)
  return join(dir, vmlinuz)
}

/** What is of libc and no library of Node's own: native addons ask for it. */
const LIBC = ['librt.so.1', 'libutil.so.1', 'libresolv.so.2', 'libnss_files.so.2', 'libnss_dns.so.2']

/** What the tests and the corpus start besides Node. */
const PROGRAMS = 'sh bash sleep cat mkfifo find touch id env printf true passwd git stty prlimit umount'.split(' ')

async function copyNode(base, arch, debs, root) {
  const { triplet } = DEBIAN[arch]
  if (arch === process.arch) {
    const programs = PROGRAMS.map((name) => realpathSync(join('/bin', name)))
    for (const program of [process.execPath, ...programs]) placeLibraries(program, root)
    for (const name of LIBC) if (existsSync(join('/lib', triplet, name))) place(join('/lib', triplet, name), root)
    copyFileSync(process.execPath, join(root, 'usr/bin/node'))
    for (const [index, name] of PROGRAMS.entries()) {
      place(programs[index], root)
      const at = join('/usr/bin', name)
      if (programs[index] !== at) symlinkSync(programs[index], join(root, at))
    }
    return
  }
  const unpacked = join(base, 'foreign')
  for (const deb of debs) await must('dpkg-deb', ['--extract', deb, unpacked])
  for (const name of [triplet, ...readdirSync(join(unpacked, 'usr/lib')).filter((one) => one.startsWith('ld-linux'))])
    cpSync(join(unpacked, 'usr/lib', name), join(root, 'usr/lib', name), { recursive: true, verbatimSymlinks: true })
  for (const name of ['dash', ...PROGRAMS]) {
    const from = join(unpacked, 'usr/bin', name)
    if (existsSync(from)) cpSync(from, join(root, 'usr/bin', name), { verbatimSymlinks: true })
  }
  const dir = join(base, `node-${arch}`)
  if (!existsSync(join(dir, 'node_modules'))) {
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, 'package.json'), '{ "private": true }')
    // npm 11 compares the processor of a direct dependency with its own, whatever is configured; `--force` makes that a warning.
    const quietly = ['--force', '--ignore-scripts', '--no-audit', '--no-fund']
    await must('npm', ['install', ...quietly, `node-linux-${arch}@24`], { cwd: dir })
  }
  copyFileSync(join(dir, 'node_modules', `node-linux-${arch}`, 'bin/node'), join(root, 'usr/bin/node'))
}

/** A library at its own place, below the one directory that /lib leads to. */
function place(path, root) {
  const to = join(root, path.replace(/^\/(lib(?:64)?)\//, '/usr/$1/'))
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(realpathSync(path), to)
}

function placeLibraries(program, root) {
  for (const [path] of execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/\/\S+(?= \()/g)) place(path, root)
}

/** As Debian's package installs it, where it is installed here. Its user is in /etc/passwd. */
function copyPostgres(root) {
  const [version] = existsSync(POSTGRES) ? readdirSync(POSTGRES).sort().toReversed() : []
  if (version === undefined) return
  for (const dir of [join(POSTGRES, version), join('/usr/share/postgresql', version)])
    cpSync(dir, join(root, dir), {
      recursive: true,
      dereference: true,
      filter: (path) => !/\/bitcode|\/locale|llvmjit/.test(path),
    })
  for (const name of ['postgres', 'initdb', 'psql']) placeLibraries(join(POSTGRES, version, 'bin', name), root)
  for (const name of readdirSync('/usr/share/zoneinfo'))
    if (/^(?:UTC|Etc)$/.test(name))
      cpSync(join('/usr/share/zoneinfo', name), join(root, 'usr/share/zoneinfo', name), { recursive: true })
}

const POSTGRES = '/usr/lib/postgresql'

async function copyProject(base, arch, root) {
  const to = join(root, 'project')
  for (const part of PARTS) cpSync(join(repository, part), join(to, part), { recursive: true })
  cpSync(join(repository, 'fixtures'), join(to, 'fixtures'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.includes('/node_modules') && !path.endsWith('fixtures/vitest3'),
  })
  const from = arch === process.arch ? repository : await packagesFor(base, arch)
  cpSync(join(from, 'node_modules'), join(to, 'node_modules'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => {
      const [, name] = /node_modules\/([^/]+)$/.exec(path) ?? []
      return name === undefined || !LEFT_OUT.some((pattern) => pattern.test(name))
    },
  })
}

/** The packages of this repository for another processor. */
async function packagesFor(base, arch) {
  const dir = join(base, `packages-${arch}`)
  if (existsSync(join(dir, 'node_modules'))) return dir
  mkdirSync(dir, { recursive: true })
  for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(repository, name), join(dir, name))
  await must('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: dir, seconds: 600 })
  symlinkSync('..', join(dir, 'node_modules/vitest-pool-seccomp'))
  return dir
}

/** The project of the matrix, with the packed tarball. */
async function layCell(base, machine, root, { tarball, node }) {
  const dir = join(base, 'cell')
  const cell = cellOf(machine)
  await layOut(base, dir, cell, { tarball, node })
  cpSync(join(dir, 'project'), join(root, 'cell/project'), { recursive: true, verbatimSymlinks: true })
}

export function cellOf({ expect, landlock, list = true }) {
  return {
    vitest: '4.1',
    layout: 'plain',
    place: 'plain',
    manager: 'npm',
    type: 'module',
    config: 'mjs',
    list,
    landlock,
    expect: expect === 'refused' ? 'unsupported' : 'confined',
  }
}
