/** The machines: whose kernel, from which release of Debian, and what is expected of it. */

export const SUITES = ['trixie', 'bookworm', 'bullseye']

/** `expect`: `refused` where the pool says by name what is missing. `landlock: 'off'`: no program can be granted. `append`: more of the kernel's command line. `list`: whether the
 * list of file operations runs, which takes half an hour where another processor is emulated. */
export const MACHINES = [
  { name: '6.12', arch: 'x64', suite: 'trixie', expect: 'confined' },
  { name: '6.1', arch: 'x64', suite: 'bookworm', expect: 'confined' },
  { name: '5.10', arch: 'x64', suite: 'bullseye', expect: 'refused' },
  { name: '6.12 arm64', arch: 'arm64', suite: 'trixie', expect: 'confined', list: false },
  {
    name: '6.12 without Landlock',
    arch: 'x64',
    suite: 'trixie',
    expect: 'confined',
    landlock: 'off',
    list: false,
    append: 'lsm=capability,yama',
  },
]

export const DEBIAN = {
  x64: { arch: 'amd64', triplet: 'x86_64-linux-gnu', image: 'linux-image-cloud-amd64' },
  arm64: { arch: 'arm64', triplet: 'aarch64-linux-gnu', image: 'linux-image-cloud-arm64' },
}

/** What Node, the tests and the corpus need of another architecture's Debian: programs, and the libraries of all. */
export const FOREIGN = [
  'libc6 libstdc++6 libgcc-s1 libatomic1 libselinux1 libpcre2-8-0 libacl1 libattr1 libgmp10 libssl3t64 libzstd1 zlib1g',
  'libtinfo6 libsystemd0 libcap2 libmount1 libblkid1 libsmartcols1 libuuid1',
  'dash bash coreutils findutils git util-linux mount',
].flatMap((names) => names.split(' '))

/** Debian's packages that this needs on the machine itself, by a program of each. */
export const TOOLS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-system-aarch64': 'qemu-system-arm',
  cpio: 'cpio',
  xz: 'xz-utils',
}

export const QEMU = {
  x64: ['qemu-system-x86_64', '-cpu', 'max'],
  arm64: ['qemu-system-aarch64', '-M', 'virt', '-cpu', 'cortex-a72'],
}
export const CONSOLE = { x64: 'ttyS0', arm64: 'ttyAMA0' }
