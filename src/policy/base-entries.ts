/** An entry that is granted to every worker. */
export interface BaseEntry {
  /** Absolute and literal. With a slash at the end it is a tree, or the directory that `glob` starts from. */
  readonly path: string
  readonly glob?: string
  readonly reason: string
  /** Default: `read`. */
  readonly access?: 'look' | 'read' | 'content' | 'write'
  /** Default: `grant`. An `exclude` entry carves out of the base grants for reading. */
  readonly effect?: 'grant' | 'exclude'
  /** True if the entry is left out where nothing exists at its path when the run starts. */
  readonly ifPresent?: boolean
}

export const sharedLibraryDirs = [
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/usr/lib',
  '/usr/lib32',
  '/usr/lib64',
  '/usr/libx32',
  '/usr/local/lib',
] as const

const perTask = 'stat,status,statm,comm,maps,cgroup,limits,io,sched,schedstat,oom_score_adj'
const cgroupFiles = [
  'cgroup.controllers,cpu.max,cpu.weight,memory.max,memory.high,memory.low,memory.current,memory.stat',
  'cpu.cfs_quota_us,cpu.cfs_period_us,memory.limit_in_bytes,memory.soft_limit_in_bytes,memory.usage_in_bytes',
].join(',')

/** The base entries that are the same for every run. */
export const baseEntries: readonly BaseEntry[] = [
  ...system("the loader's index of shared libraries", ['/etc/ld.so.cache']),
  ...system('host names: getaddrinfo and the DNS client', [
    '/etc/resolv.conf',
    '/etc/hosts',
    '/etc/nsswitch.conf',
    '/etc/host.conf',
    '/etc/gai.conf',
    '/etc/services',
    '/etc/protocols',
  ]),
  // detect-libc, which packages with native parts call, reads this script of libc's.
  ...system('which libc this is', ['/usr/bin/ldd']),
  ...system('time zones', ['/etc/localtime', '/etc/timezone', '/usr/share/zoneinfo/']),
  ...system('locale data: libc reads it when a program starts', [
    '/etc/locale.alias',
    '/usr/share/locale/',
    '/usr/lib/locale/',
    '/usr/share/i18n/',
  ]),
  {
    path: '/usr/lib/',
    glob: '**/gconv/gconv-modules{,.cache,.d,.d/*}',
    reason: 'character sets that libc knows',
    ifPresent: true,
  },
  ...system('OpenSSL configuration', [
    '/etc/ssl/openssl.cnf',
    '/usr/lib/ssl/openssl.cnf',
    '/usr/local/ssl/openssl.cnf',
    '/etc/pki/tls/openssl.cnf',
  ]),
  ...system('facts about the machine: os.cpus(), os.totalmem(), os.uptime()', [
    ...inDir('/proc', ['meminfo', 'cpuinfo', 'stat', 'uptime', 'loadavg', 'version']),
    ...inDir('/proc', ['version_signature', 'filesystems']),
    ...inDir('/proc/sys/vm', ['overcommit_memory', 'max_map_count']),
    ...inDir('/proc/sys/kernel', ['osrelease', 'ostype', 'version', 'hostname', 'cap_last_cap', 'ngroups_max']),
    '/proc/sys/net/core/somaxconn',
    '/sys/devices/system/cpu/',
    // Every Go program reads it.
    '/sys/kernel/mm/transparent_hugepage/hpage_pmd_size',
    // mimalloc reads it, in Rust programs.
    '/sys/kernel/mm/transparent_hugepage/enabled',
  ]),
  { path: '/sys/fs/cgroup/', glob: `**/{${cgroupFiles}}`, reason: 'limits of the container', ifPresent: true },
  ...own('what a process may know about itself', [
    'maps',
    'smaps',
    'smaps_rollup',
    'status',
    'stat',
    'statm',
    'cgroup',
    'exe',
    'cwd',
    'limits',
    'mountinfo',
    'mounts',
    'io',
    'comm',
    'cmdline',
    'auxv',
    'oom_score_adj',
  ]),
  // `fd/` and `fdinfo/` are trees, `task` is not: /proc/self/task/N also holds environ, mem, root and fd.
  ...own('descriptors and threads of the worker', ['fd/', 'fdinfo/', 'task']),
  { path: '/proc/thread-self', reason: 'the link to the own thread' },
  { path: '/proc/self/task/', glob: `*/{${perTask}}`, reason: 'threads of the worker' },
  { path: '/proc/self/task/', glob: '*', reason: 'threads of the worker' },
  ...own('names of threads', ['comm'], 'content'),
  { path: '/proc/self/task/', glob: '*/comm', reason: 'names of threads', access: 'content' },
  ...devices(['/dev/null', '/dev/zero', '/dev/full'], 'content'),
  ...devices(['/dev/random', '/dev/urandom'], 'read'),
]

function system(reason: string, paths: readonly string[]): BaseEntry[] {
  return paths.map((path) => ({ path, reason, ifPresent: true }))
}

function own(reason: string, names: readonly string[], access: 'read' | 'content' = 'read'): BaseEntry[] {
  return names.map((name) => ({ path: `/proc/self/${name}`, reason, access }))
}

function devices(paths: readonly string[], access: 'read' | 'content'): BaseEntry[] {
  return paths.map((path) => ({ path, reason: 'devices without content', access, ifPresent: true }))
}

function inDir(dir: string, names: readonly string[]): string[] {
  return names.map((name) => `${dir}/${name}`)
}
