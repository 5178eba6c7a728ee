/** What Vitest's own process opens in a run that means no harm, and why. Whatever is not here is a way out. */
export const allowedFor = ({ root, modules, pool, tmp, playground, grantedFile, readOnlyFile, node }) => [
  [inside(root), 'the project'],
  [inside(modules), 'its packages, and their caches'],
  [inside(pool), 'this package'],
  [inside(tmp), 'temporary files of Vitest and of this package'],
  [inside(playground), 'what the tests may write: the gate reads it for them'],
  [is(grantedFile, readOnlyFile, node), 'what the tests may read, and Node'],
  [
    /^\/(?:usr\/)?(?:lib|lib64|local\/lib|share|local\/share|local\/include)\//,
    'shared libraries and data of the system',
  ],
  [
    /^\/etc\/(?:ld\.so\.[a-z.]*|localtime|resolv\.conf|hosts|nsswitch\.conf|host\.conf|gai\.conf|ssl\/|passwd$|os-release)/,
    'settings of libc and OpenSSL',
  ],
  [
    /^\/proc\/(?:(?:self|thread-self)\/(?!environ|root|mem)|\d+\/(?!environ))/,
    'its own process, and, as the broker, its workers',
  ],
  [
    /^\/proc\/(?:version_signature|version|meminfo|cpuinfo|stat|sys\/|mounts|filesystems|uptime|loadavg)/,
    'facts about the machine',
  ],
  [/^\/sys\/(?:fs\/cgroup|devices\/system|kernel\/mm\/transparent_hugepage)/, 'limits and processors'],
  [/^\/dev\/(?:null|tty|urandom|shm\/)/, 'devices of a process'],
  [/\/\.local\/share\/vitest\/\.vitest-secret-token$/, 'the token of the API of Vitest 5'],
  [/^\/(?:usr\/)?bin\/ldd$/, 'which libc this is: detect-libc'],
]

const inside = (dir) => ({ test: (path) => path === dir || path.startsWith(`${dir}/`) })
const is = (...paths) => ({ test: (path) => paths.includes(path) })
