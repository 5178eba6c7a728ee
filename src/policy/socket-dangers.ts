/**
 * The sockets of the catalogue of dangerous grants (dangers.ts): those by which somebody else acts for who connects. Pure.
 */
import { isWithin } from './canonical.js'
import { compileGlob } from './glob.js'
import { inNetwork, parseIp } from './ip.js'
import { bytePath, rawPath, type BytePath, type SocketAddress } from './request.js'
import { withoutFill, type HostMatch, type Network, type PortRange, type SocketRule } from './sockets.js'
import type { Places } from './spell.js'

interface NameDanger {
  readonly name: RegExp
  readonly why: string
}

const OWNS = 'whoever talks to it owns this machine'

/** Sockets that give control over the machine, over a session or over keys, by path. An abstract name may look like one, too. */
const controlSockets: readonly NameDanger[] = [
  {
    name: /\/[^/]*(?:docker|podman|containerd|crio|buildkitd)[^/]*\.sock[^/]*$|^\/?\/containerd-shim\/|\/(?:lxd|incus)\/unix\.socket$|\/run\/(?:user\/\d+\/)?libvirt\/|\/snapd[^/]*\.socket$/,
    why: OWNS,
  },
  {
    name: /\/(?:ssh-[^/]*\/agent\.[^/]+|S\.(?:gpg-agent|scdaemon|keyboxd|dirmngr)[^/]*|(?:keyring|gcr|pcscd|\.1password)\/[^/]+|[^/]*ssh-agent[^/]*)$|\/\.ssh\//,
    why: 'it signs with your keys',
  },
  {
    name: /^\/(?:var\/)?run\/(?:dbus\/|systemd\/|user\/\d+\/(?:bus$|systemd\/)|(?:tmux|screens?|uscreens)\/)|^\/?\/tmp\/(?:dbus-|tmux-|(?:uscreens|screens?)\/|emacs|nvim)|\/vscode-[^/]*\.sock$|\/(?:run|state)\/watchman\/|^\/nix\/var\//,
    why: 'it starts programs outside the tests',
  },
  {
    name: /^\/?\/tmp\/\.(?:X11|ICE)-unix\/|^\/(?:var\/)?run\/user\/\d+\/(?:wayland|pipewire)-/,
    why: 'your screen and keyboard',
  },
  { name: /^\/(?:var\/)?run\/user\/\d+\//, why: 'it belongs to your session' },
]

/** Sockets outside the project that do what tests ask of a server, and nothing for the tests' user: databases, the log, who is who. */
const servers =
  /\/(?:\.s\.PGSQL\.\d+|mysqlx?d?\.sock|(?:redis|valkey|memcached|mongodb)[^/]*\.sock)$|\/(?:postgresql|mysqld?|mariadb|redis|valkey|memcached|mongodb|nscd)\/|\/sss\/pipes\/[^/]+$|^\/dev\/log$/

/** Where the catalogue's sockets lie, below one directory or another: what is no control socket there is none by its name. */
const usualControlSockets = [
  'docker.sock',
  '.docker/run/docker.sock',
  'podman/podman.sock',
  'containerd/containerd.sock',
  'crio/crio.sock',
  'buildkit/buildkitd.sock',
  'lxd/unix.socket',
  'libvirt/libvirt-sock',
  'snapd.socket',
  'gnupg/S.gpg-agent',
  '.gnupg/S.gpg-agent',
  '.ssh/agent/s.aBcDeF.agent.GhIjKl',
  'gcr/ssh',
  'keyring/ssh',
  'ssh-agent.socket',
  'ssh-XXXXXXaBcDeF/agent.123',
  'bus',
  'dbus/system_bus_socket',
  'dbus-aBcDeF',
  'systemd/private',
  'tmux-1000/default',
  'vscode-ipc-00000000-0000-4000-8000-000000000000.sock',
  'wayland-0',
  '.X11-unix/X0',
]

/** The danger of a socket, if there is one. */
export function socketDanger(address: SocketAddress, access: SocketRule['access'], places: Places): string | undefined {
  if (address.family === 'inet') {
    const bits = (parseIp(address.host)?.length ?? 0) * 8
    const { port } = address
    return rangeDanger([{ address: address.host, prefix: bits }], { from: port, to: port })
  }
  if (address.family === 'abstract') return controlDanger(rawPath(`/${withoutFill(address.name)}`))
  const { path } = address
  return controlDanger(path) ?? serviceDanger(path, access, places)
}

/**
 * The danger of a glob for sockets, if there is one. It is dangerous if a socket of the catalogue, where it usually lies,
 * matches it. `base`: the directory that it starts from; `rest`: the glob below it.
 */
export function socketGlobDanger(
  { base, rest }: { readonly base: BytePath; readonly rest: string },
  access: SocketRule['access'],
  places: Places,
): string | undefined {
  const matches = compileGlob(rest)
  const [, user = '1000'] = /^\/(?:var\/)?run\/user\/(\d+)/.exec(base) ?? []
  const dirs = [
    '/run',
    '/var/run',
    `/run/user/${user}`,
    `/var/run/user/${user}`,
    bytePath(places.home),
    '/tmp',
    '/var/lib',
  ]
  const danger = dirs
    .flatMap((dir) => usualControlSockets.map((name) => rawPath(`${dir}/${name}`)))
    .filter((one) => isWithin(one, base) && matches(one.slice(base === '/' ? 1 : base.length + 1)))
    .map(controlDanger)
    .find((why) => why !== undefined)
  return danger ?? serviceDanger(rawPath(`${base}/`), access, places)
}

/** Outside the project, only a service that is known to be harmless is none to connect to. */
function serviceDanger(path: BytePath, access: SocketRule['access'], places: Places): string | undefined {
  const isHarmless = access === 'listen' || isOwn(path, places) || servers.test(path)
  return isHarmless ? undefined : 'a service outside the project acts with rights of its own'
}

function controlDanger(name: BytePath): string | undefined {
  return controlSockets.find((one) => one.name.test(name))?.why
}

function isOwn(path: BytePath, { root, workspace, tmp }: Places): boolean {
  return [root, workspace, ...(tmp === undefined ? [] : [tmp]), '/tmp', '/var/tmp', '/dev/shm'].some((dir) =>
    isWithin(path, bytePath(dir)),
  )
}

const METADATA = "this machine's cloud credentials"
const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata.google.internal',
  'metadata.goog',
  'metadata',
  'instance-data',
  'instance-data.ec2.internal',
  'metadata.tencentyun.com',
  'metadata.platformequinix.com',
  'api.metadata.cloud.ibm.com',
])

/** Where clouds tell a machine or a container who it is: AWS, Google, Azure, Alibaba, Oracle, Volcengine, Scaleway, Linode. */
const metadataNetworks: readonly Network[] = [
  // All of these have theirs in this one, each its own: 169.254.169.254, .170.2, .170.23, .130.1, .0.23, .42.42.
  { address: '169.254.0.0', prefix: 16 },
  { address: '168.63.129.16', prefix: 32 },
  { address: '100.100.100.200', prefix: 32 },
  { address: '100.96.0.96', prefix: 32 },
  { address: '192.0.0.192', prefix: 32 },
  { address: 'fd00:ec2::', prefix: 32 },
  { address: 'fd20:ce::254', prefix: 128 },
  { address: 'fd00:c1::a9fe:a9fe', prefix: 128 },
  { address: 'fd00:42::42', prefix: 128 },
  { address: 'fd00:a9fe:a9fe::1', prefix: 128 },
  { address: 'fe80::a9fe:a9fe', prefix: 128 },
  // The first one by way of IPv6: RFC 6052.
  { address: '64:ff9b::a9fe:0', prefix: 112 },
]

function rangeDanger(networks: readonly Network[], { from, to }: PortRange): string | undefined {
  if (from === to && DOCKER.has(from)) return OWNS
  // Name servers have addresses there, too: Kubernetes' NodeLocal DNSCache.
  if (from === DNS && to === DNS) return undefined
  const overlap = (one: Network, other: Network): boolean =>
    inNetwork(parseIp(one.address) ?? [], other) || inNetwork(parseIp(other.address) ?? [], one)
  return networks.some((one) => metadataNetworks.some((other) => overlap(one, other))) ? METADATA : undefined
}

const DNS = 53
/** Docker's daemon, without and with TLS: dockerd(8), `--host`. */
const DOCKER: ReadonlySet<number> = new Set([2375, 2376])

/** The danger of the hosts of an entry, if there is one. */
export function hostDanger(access: SocketRule['access'], host: HostMatch, ports: PortRange): string | undefined {
  if (host.kind === 'name') return METADATA_NAMES.has(host.name) ? METADATA : rangeDanger([], ports)
  // A network of so few bits is much of the Internet, and several of them are all of it.
  if (access === 'connect' && (host.kind === 'any' || host.networks.some(({ prefix }) => prefix < 8)))
    return 'any address anywhere'
  return host.kind === 'networks' ? rangeDanger(host.networks, ports) : undefined
}
