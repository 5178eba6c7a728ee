/**
 * The cells: each a fresh project. `vitest` and `node` are majors or ranges for npm; `layout`, `manager`, `type`, `config` and
 * `place` say how it lies, `as` who runs it, `owner` and `mode` whose the files are, if not theirs, and who may write them.
 */
const NEWEST = { vitest: '5.1', node: '24' }
const OLDEST = { vitest: '4.1', node: '20' }
const PLAIN = { manager: 'npm', layout: 'plain', type: 'module', config: 'ts', place: 'plain', as: 'root' }

/** `engines` of Vitest: 5 needs Node 22.12. */
const PAIRS = ['3.2', '4.1', '5.0', '5.1'].flatMap((vitest) =>
  ['20', '22', '24', '26']
    .filter((node) => !(vitest.startsWith('5') && node === '20'))
    .map((node) => ({ vitest, node })),
)

/**
 * `full`: the demo, both parts of the escape corpus and the suites run as well. `bothWorlds`: of the part that needs a Vitest
 * around it, that each program gets out of Vitest's own pool: with each Vitest once.
 */
const pairs = PAIRS.map(({ vitest, node }) => ({
  ...PLAIN,
  vitest,
  node,
  name: `vitest ${vitest}, node ${node}`,
  group: 'versions',
  full: true,
  bothWorlds: node === NEWEST.node,
}))

const ways = {
  managers: {
    'npm workspaces, `projects` of two packages': { layout: 'projects' },
    'pnpm, a symlink farm': { manager: 'pnpm' },
    'pnpm workspace, run in the package': { manager: 'pnpm', layout: 'workspace' },
    'pnpm workspace, `projects` of two packages': { manager: 'pnpm', layout: 'projects' },
  },
  modules: {
    'CommonJS package, config in .ts': { type: 'commonjs' },
    'CommonJS package, config in .mjs': { type: 'commonjs', config: 'mjs' },
    'CommonJS package, config in .cjs': { type: 'commonjs', config: 'cjs' },
    'ESM package, config in .mjs': { config: 'mjs' },
    'ESM package, config in .mts': { config: 'mts' },
  },
  places: {
    'a root reached through a symlink (`--root`)': { place: 'symlink' },
    'a root with spaces and non-ASCII letters': { place: 'odd name' },
    'both at once, with pnpm': { place: 'odd symlink', manager: 'pnpm' },
  },
  users: {
    'an ordinary user': { as: 'user' },
    'a user namespace, user unmapped, no capabilities': { as: 'userns' },
    'a user namespace, user mapped to root': { as: 'userns-root' },
    'root without any capability': { as: 'no-capabilities' },
  },
  containers: {
    "Docker's default profile and capabilities": { as: 'docker', sockets: 'refused' },
    "the same with unsafe: ['network']": { as: 'docker', sockets: 'left alone' },
    'the same profile, an ordinary user': { as: 'docker user', sockets: 'refused' },
    "containerd's default profile (Kubernetes: RuntimeDefault)": { as: 'containerd', sockets: 'refused' },
    "Podman's default profile (CRI-O has it, too), an ordinary user": { as: 'podman user' },
    'a profile without process_vm_readv': { as: 'docker-process_vm_readv', expect: 'unsupported' },
    "the same with onUnsupported: 'warn'": { as: 'docker-process_vm_readv', expect: 'unconfined' },
    'Docker with --cap-add=SYS_PTRACE': { as: 'docker+SYS_PTRACE' },
    'Docker with a profile that allows pidfd_getfd besides, no capability added': { as: 'docker+pidfd_getfd' },
    'the same, an ordinary user': { as: 'docker+pidfd_getfd user' },
    'process 1 of a process namespace, /proc masked and read-only in parts': { as: 'process 1' },
    'that, with the profile that allows pidfd_getfd, and no new privileges': { as: 'docker+pidfd_getfd process 1' },
    'Docker with --cap-add=SYS_PTRACE, an ordinary user': { as: 'docker+SYS_PTRACE user' },
    "GitHub's `container:`: Docker's default, root, and the files of the runner's user": {
      as: 'docker',
      sockets: 'refused',
      owner: '1001:1001',
    },
    "GitLab's Docker executor: Docker's default, root, and a checkout with umask 0": {
      as: 'docker',
      sockets: 'refused',
      mode: 'a+rwX',
    },
    "that, in an image with an ordinary user: root's files, which everybody may write": {
      as: 'docker user',
      sockets: 'refused',
      owner: '0:0',
      mode: 'a+rwX',
    },
  },
}

/** How modules and configs are found differs between versions of Vitest and Vite; what the rest is about does not. */
const pairsOf = (group, index) =>
  group === 'managers' || group === 'modules' ? [OLDEST, NEWEST] : [[OLDEST, NEWEST][index % 2]]

const others = Object.entries(ways).flatMap(([group, list]) =>
  Object.entries(list).flatMap(([name, way], index) =>
    pairsOf(group, index).map((pair) => ({
      ...PLAIN,
      ...pair,
      ...way,
      name: `${name} (vitest ${pair.vitest}, node ${pair.node})`,
      title: name,
      group,
    })),
  ),
)

/** `list`: the list of file operations runs, too. It depends on the kernel, the Node and the user. */
export const CELLS = [...pairs, ...others].map((cell) => ({
  expect: 'confined',
  list: ['versions', 'users', 'containers'].includes(cell.group),
  ...cell,
}))
