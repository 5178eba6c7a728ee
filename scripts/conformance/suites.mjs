/** The suites: which programs each has in a directory, how one is run, and what its output and its end say. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Of abstract names each has to be named. */
const networkIn = (scratch) => [
  'tcp:*:*',
  'udp:*:*',
  `unix:${scratch}/**`,
  ...['abstract', '/tmp/abstract'].map((name) => `unix:@${name}`),
]
/** Everything that an honest program may want: the suite compares system calls and no policies. */
const manifestFor = (dir, scratch, runtime) => ({
  read: ['/'],
  write: [`${scratch}/`, '/dev/shm/', '/dev/null', '/dev/tty'],
  exec: [`${dir}/`, `${scratch}/`, '/usr/bin/', '/usr/sbin/', runtime, '/bin/sh'],
  connect: networkIn(scratch),
  listen: networkIn(scratch),
})

/** For what makes tens of thousands of calls, on a machine with other work to do. */
const SECONDS = 600

const ended = ({ error, code, signal }) => error ?? signal ?? `exit ${code}`

/** Node's own tests, as https://github.com/nodejs/node has them below `test`: one file, one process, exit code 0. */
export const node = {
  title: "Node's own tests",
  // Some try what cannot be done to their own fixtures.
  manifest(dir, scratch, runtime) {
    const manifest = manifestFor(dir, scratch, runtime)
    return { ...manifest, write: [...manifest.write, `${dir}/test/`] }
  },
  programs(dir, { scratch, runtime }) {
    const parallel = join(dir, 'test/parallel')
    return readdirSync(parallel)
      .filter((name) => /^test-(?:fs|net|child-process|dgram|pipe|process|http|stream|file)-?.*\.m?js$/.test(name))
      .sort()
      .map((name, index) => ({
        name,
        argv: [runtime, ...flagsIn(join(parallel, name)), join(parallel, name)],
        cwd: join(dir, 'test'),
        env: {
          PATH: process.env.PATH,
          HOME: scratch,
          NODE_TEST_DIR: scratch,
          // As its own runner says: tests of one file that write the same file wait for each other.
          TEST_PARALLEL: '1',
          TEST_THREAD_ID: `${index}`,
          TEST_SERIAL_ID: `${index}`,
          NODE_TEST_KNOWN_GLOBALS: '0',
          NODE_SKIP_FLAG_CHECK: '1',
        },
        seconds: SECONDS,
      }))
  },
  verdict: (result) => ended(result),
}

/** `// Flags: --expose-internals --no-warnings` */
function flagsIn(file) {
  const [, flags = ''] = /^\/\/ Flags:(.*)$/m.exec(readFileSync(file, 'utf8')) ?? []
  return flags.split(' ').filter((flag) => flag !== '')
}

/** About what no worker may, whatever its manifest says (docs/syscalls.md, "refused"), and what would change this machine. */
const REFUSED =
  /^(?:reboot|gethostid|settimeofday|clock_settime|clock_adjtime|adjtimex|leapsec|stime|sethostname|setdomainname|swapo|kexec|.*_module|u?mount|umount2|move_mount|open_tree|fs(?:open|config|mount|pick)|pivot_root|mount_setattr|statmount|listmount|quotactl|acct|bpf|perf_event|userfaultfd|keyctl|add_key|request_key|ptrace|process_(?:vm|madvise|mrelease)|kcmp|io_|fanotify|name_to_handle|open_by_handle|setns|unshare|clone3|mq_|sem|shm|msg|syslog|vhangup|chroot|personality|iop|landlock|lsm_|seccomp|cachestat|memfd_secret|migrate_pages|move_pages|ioctl|cgroup|set_mempolicy|mbind|get_mempolicy|nice|modify_ldt|pidfd_getfd|arch_prctl|cacheflush|fork1[34]|statx1|sysfs|ustat|file_attr|listns|setgroups|capset|set(?:re|res|fs)?[ug]id|.*_16$)/

/** The Linux Test Project, installed: https://github.com/linux-test-project/ltp. The programs of its list `syscalls`. */
export const ltp = {
  title: 'the Linux Test Project, system calls',
  manifest: manifestFor,
  programs(dir, { scratch }) {
    const bin = join(dir, 'testcases/bin')
    return readFileSync(join(dir, 'runtest/syscalls'), 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(
        ([name, file]) => name !== '' && !name.startsWith('#') && !REFUSED.test(name) && existsSync(join(bin, file)),
      )
      .map(([name, file, ...args]) => ({
        name,
        argv: [join(bin, file), ...args],
        cwd: scratch,
        env: {
          PATH: `${bin}:${process.env.PATH}`,
          LTPROOT: dir,
          TMPDIR: scratch,
          LTP_COLORIZE_OUTPUT: '0',
          LTP_SINGLE_FS_TYPE: 'ext4',
          KCONFIG_SKIP_CHECK: '1',
          HOME: scratch,
        },
        seconds: SECONDS,
      }))
  },
  /** The end, and how often it failed or broke: passes come in loops, as many as there is time for. */
  verdict(result) {
    const count = (kind) => (result.output ?? '').split('\n').filter((line) => line.includes(kind)).length
    const parts = ['TFAIL', 'TBROK'].map((kind) => [kind, count(kind)]).filter(([, times]) => times > 0)
    const skipped = count('TCONF') > 0 ? ['TCONF'] : []
    return [ended(result), ...parts.map(([kind, times]) => `${times} ${kind}`), ...skipped].join(', ')
  },
}

/** pjdfstest, built: https://github.com/pjd/pjdfstest. Each file of its tests counts what went well, one line a call. */
export const pjdfstest = {
  title: 'pjdfstest',
  manifest: manifestFor,
  programs(dir, { scratch }) {
    const tests = join(dir, 'tests')
    return readdirSync(tests, { recursive: true })
      .filter((name) => name.endsWith('.t'))
      .sort()
      .map((name) => ({
        name,
        argv: ['/bin/sh', join(tests, name)],
        cwd: scratch,
        env: { PATH: process.env.PATH, HOME: scratch, TMPDIR: scratch },
        seconds: SECONDS,
      }))
  },
  verdict(result) {
    const output = result.output ?? ''
    const bad = [...output.matchAll(/^not ok (\d+)/gm)].map(([, number]) => number)
    const good = [...output.matchAll(/^ok (\d+)/gm)].length
    return `${ended(result)}, ${good} ok${bad.length > 0 ? `, not ok ${bad.join(' ')}` : ''}`
  },
}

export const SUITES = { node, ltp, pjdfstest }
