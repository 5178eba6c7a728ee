/** Debian's packages: kernels and libraries, by apt in a root of its own. The machine's own sources stay as they are. */
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { must } from '../matrix/tools.mjs'
import { DEBIAN, FOREIGN, SUITES, TOOLS } from './machines.mjs'

const DAY_MS = 24 * 3600 * 1000
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const MIRROR = process.env.DEBIAN_MIRROR ?? 'http://deb.debian.org/debian'

/** Installs what the machine itself lacks. */
export async function installTools() {
  const isThere = (name) => (process.env.PATH ?? '').split(':').some((dir) => existsSync(join(dir, name)))
  const missing = Object.entries(TOOLS).filter(([program]) => !isThere(program))
  if (missing.length === 0) return
  const packages = missing.map(([, name]) => name)
  process.stdout.write(`apt-get install ${packages.join(' ')}\n`)
  await must('apt-get', ['install', '--yes', '--no-install-recommends', ...packages], { seconds: 600 })
}

/** apt that knows the releases and both architectures, and nothing of this machine. */
export class Apt {
  #root
  #isUpdated = false

  constructor(base) {
    this.#root = join(base, 'apt')
    this.debs = join(base, 'debs')
  }

  get #options() {
    return [
      `Dir=${this.#root}`,
      `Dir::Etc=${this.#root}/etc/apt`,
      'APT::Architecture=amd64',
      'APT::Architectures::=amd64',
      'APT::Architectures::=arm64',
      'APT::Sandbox::User=root',
      'Acquire::Languages=none',
    ].flatMap((option) => ['-o', option])
  }

  async #update() {
    if (this.#isUpdated) return
    this.#isUpdated = true
    for (const dir of [
      'etc/apt/sources.list.d',
      'etc/apt/preferences.d',
      'var/lib/apt/lists/partial',
      'var/cache/apt/archives/partial',
      'var/lib/dpkg',
    ])
      mkdirSync(join(this.#root, dir), { recursive: true })
    mkdirSync(this.debs, { recursive: true })
    writeFileSync(join(this.#root, 'var/lib/dpkg/status'), '')
    const sources = SUITES.map((suite) => `deb [signed-by=${KEYRING}] ${MIRROR} ${suite} main\n`)
    writeFileSync(join(this.#root, 'etc/apt/sources.list'), sources.join(''))
    const stamp = join(this.#root, 'updated')
    if (existsSync(stamp) && Date.now() - statSync(stamp).mtimeMs < DAY_MS) return
    await must('apt-get', [...this.#options, 'update'], { seconds: 900 })
    writeFileSync(stamp, '')
  }

  /** The file of a package, downloaded once. */
  async #download(name, version, arch) {
    const wanted = `${name}_${version.replaceAll(':', '%3a')}_${arch}.deb`
    if (!existsSync(join(this.debs, wanted)))
      await must('apt-get', [...this.#options, 'download', `${name}:${arch}=${version}`], {
        cwd: this.debs,
        seconds: 300,
      })
    if (!existsSync(join(this.debs, wanted)))
      throw new Error(`${wanted} was not downloaded: there are ${readdirSync(this.debs).join(', ')}`)
    return join(this.debs, wanted)
  }

  /** What `apt-cache show` says of the newest version that `suits`. */
  async #newest(name, arch, suits = () => true) {
    const said = await must('apt-cache', [...this.#options, 'show', `${name}:${arch}`])
    const [first] = said
      .split('\n\n')
      .map((text) => Object.fromEntries([...text.matchAll(/^(\S+): (.*)$/gm)].map(([, key, value]) => [key, value])))
      .filter((facts) => facts.Version !== undefined && suits(facts))
    if (first === undefined) throw new Error(`Debian has no ${name} for ${arch} that suits`)
    return first
  }

  /** The kernel of a release: the package that its metapackage stands for. */
  async kernel(machine) {
    await this.#update()
    const { arch, image } = DEBIAN[machine.arch]
    const version = machine.name.split(' ')[0]
    const { Depends, Version } = await this.#newest(image, arch, (facts) => facts.Version.startsWith(`${version}.`))
    const name = /linux-image-[^ ,]+/.exec(Depends)?.[0]
    if (name === undefined) throw new Error(`${image} ${Version} names no kernel`)
    return this.#download(name, Version, arch)
  }

  /** The files of all packages that a machine of another architecture needs. */
  async foreign(arch) {
    await this.#update()
    const files = []
    for (const name of FOREIGN) {
      const { Version } = await this.#newest(name, DEBIAN[arch].arch)
      files.push(await this.#download(name, Version, DEBIAN[arch].arch))
    }
    return files
  }
}
