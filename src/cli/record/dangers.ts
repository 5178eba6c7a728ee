/** What a manifest should not grant without somebody having thought about it. One table, each row with its reason. */
import { isWithin } from '../../policy/canonical.js'
import type { ListKey } from '../../policy/lists.js'
import { bytePath, rawPath, type BytePath, type SocketAddress } from '../../policy/request.js'
import type { Places } from '../../policy/spell.js'

interface NameDanger {
  readonly name: RegExp
  readonly why: string
}

/** By the last names of a path, wherever it lies. */
const secretNames: readonly NameDanger[] = [
  {
    name: /(?:^|\/)\.env(?:\.(?!example$|sample$|template$|dist$|defaults$)[^/]+)?$/,
    why: 'environment files hold secrets',
  },
  {
    name: /(?:^|\/)(?:\.npmrc|\.yarnrc\.yml|\.netrc|\.pypirc|\.git-credentials|\.pgpass|\.htpasswd)$/,
    why: 'it may hold a password or token',
  },
  { name: /(?:^|\/)id_(?:rsa|dsa|ecdsa|ed25519)$/, why: 'a private key' },
  { name: /(?:^|\/)\.(?:ssh|aws|azure|gnupg|kube|docker|config\/gcloud)(?:\/|$)/, why: 'credentials' },
]

const systemPlaces: readonly { readonly top: BytePath; readonly why: string }[] = [
  ...['/etc/shadow', '/etc/gshadow', '/etc/sudoers', '/etc/sudoers.d', '/etc/ssh', '/etc/ssl/private'].map((top) => ({
    top: bytePath(top),
    why: 'secrets of this machine',
  })),
  ...['/run/secrets', '/var/run/secrets', '/run/credentials'].map((top) => ({
    top: bytePath(top),
    why: 'secrets of this container or service',
  })),
  ...['/dev/mem', '/dev/kmem', '/proc/kcore', '/dev/disk'].map((top) => ({
    top: bytePath(top),
    why: 'the memory or the disks of this machine',
  })),
]

/** Why an access to this path is dangerous, if it is. `tree`: the entry will cover everything below. */
export function pathDanger(path: BytePath, list: ListKey, tree: boolean, places: Places): string | undefined {
  const secret = secretNames.find(({ name }) => name.test(path))
  if (secret !== undefined) return secret.why
  const system = systemPlaces.find(({ top }) => isWithin(path, top))
  if (system !== undefined) return system.why
  if (/^\/dev\/(?:sd|nvme|vd|xvd|dm-|loop|md)/.test(path)) return 'the disks of this machine'
  if (/^\/proc\/(?!self\/|thread-self\/)[^/]+\/(?:environ|mem|maps|root|cwd|fd|auxv)/.test(path))
    return "another process's memory, files or environment"
  const below = [places.root, places.workspace].map((dir) => bytePath(dir)).find((dir) => isWithin(path, dir))
  const own = below !== undefined
  if (!own && tree && isAbove(path, places))
    return path === '/' ? 'the whole file system' : 'everything below it, your project and more'
  if (!own && tree && depth(path) < 2) return `all of ${path}`
  if (!own && places.home !== '/' && isWithin(path, bytePath(places.home))) return 'it lies in your home directory'
  const inside = below === undefined ? undefined : path.slice(below.length + 1)
  if (inside === '.git/config') return 'checkouts in CI keep a token there'
  return list === 'write' ? writeDanger(path, inside) : list === 'exec' ? programDanger(path) : undefined
}

/** Configs, of any package of a monorepo, and the manifest by its usual name. */
const ownFiles =
  /(?:^|\/)(?:(?:vite|vitest)(?:\.[\w-]+)*\.(?:config|workspace)\.[cm]?[jt]s|vitest\.(?:workspace|projects)\.(?:[cm]?[jt]s|json)|seccomp\.manifest\.json)$/

/** What later runs, or Vitest's own process, load or run. */
function writeDanger(path: BytePath, inside: string | undefined): string | undefined {
  if (/^node_modules(?:\/|$)/.test(inside ?? '')) return 'what is written there is loaded by later runs'
  if (/^\.git(?:\/|$)/.test(inside ?? '')) return 'hooks and settings of git run outside the tests'
  if (ownFiles.test(inside ?? '')) return "Vitest's own process loads it"
  if (inside === undefined && !/^\/(?:tmp|var\/tmp|dev\/shm)\//.test(path) && !isDevice(path))
    return 'it lies outside the project'
  return undefined
}

function isDevice(path: BytePath): boolean {
  return /^\/(?:dev|proc\/self)\//.test(path)
}

const powers = /\/(?:sudo|su|doas|pkexec|nsenter|docker|podman|kubectl|ssh)$/

function programDanger(path: BytePath): string | undefined {
  return powers.test(path) ? 'it runs things as somebody else, or somewhere else' : undefined
}

/** By the socket's path. */
const controlSockets: readonly NameDanger[] = [
  { name: /\/(?:docker|podman|containerd|crio|buildkitd)\.sock$/, why: 'whoever talks to it owns this machine' },
  {
    name: /\/(?:ssh-[^/]*\/agent\.[^/]+|S\.gpg-agent[^/]*|keyring\/[^/]+|[^/]*ssh-agent[^/]*)$/,
    why: 'it signs with your keys',
  },
  { name: /^\/(?:var\/)?run\/(?:dbus\/|user\/\d+\/bus$|systemd\/)/, why: 'it starts programs outside the tests' },
  { name: /^\/tmp\/\.X11-unix\//, why: 'your screen and keyboard' },
]

const metadataHosts: ReadonlySet<string> = new Set([
  '169.254.169.254',
  'fd00:ec2::254',
  '169.254.170.2',
  '100.100.100.200',
  '168.63.129.16',
])

export function socketDanger(address: SocketAddress): string | undefined {
  if (address.family === 'inet') return metadataHosts.has(address.host) ? "this machine's cloud credentials" : undefined
  const name = address.family === 'unix' ? address.path : rawPath(`/${address.name}`)
  return controlSockets.find((one) => one.name.test(name))?.why
}

/** Whether the directory holds the project, or the user's home. */
export function isAbove(path: BytePath, { root, workspace, home }: Places): boolean {
  return [root, workspace, home].some((dir) => isWithin(bytePath(dir), path))
}

function depth(path: BytePath): number {
  return path === '/' ? 0 : path.split('/').length - 1
}

/** Below these nothing is looked for: they are large, and always readable or never granted. */
const UNSEARCHED: ReadonlySet<string> = new Set(['node_modules', '.git'])
const MOST_SEARCHED = 20_000

export function isSecret(path: BytePath): boolean {
  return secretNames.some(({ name }) => name.test(path)) || systemPlaces.some(({ top }) => path === top)
}

/** Secrets that lie in a directory; `unknown` where it is too large to tell. */
export function secretsIn(
  dir: BytePath,
  names: (dir: BytePath) => readonly string[] | undefined,
): readonly BytePath[] | 'unknown' {
  const found: BytePath[] = []
  const waiting = [dir]
  let searched = 0
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const name of names(next) ?? []) {
      if (++searched > MOST_SEARCHED) return 'unknown'
      const path = rawPath(next === '/' ? `/${name}` : `${next}/${name}`)
      if (isSecret(path)) found.push(path)
      else if (!UNSEARCHED.has(name)) waiting.push(path)
    }
  }
  return found.sort()
}
