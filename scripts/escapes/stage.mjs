/** One program's stage: canary files outside the grants, a playground inside, and what changed afterwards. */
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { scratch, sys } from '../../fixtures/escapes/lib/native.mjs'
import { inlineMap } from '../../fixtures/escapes/lib/source-map.mjs'

/**
 * A text that stands in no other file, and that Vitest prints whole in an excerpt: its highlighter loses a name at the end of a
 * file, and what follows a number.
 */
export const newSecret = () => `canary-${randomUUID().replace(/[-\d]/g, (one) => LETTERS[one])}-`
const LETTERS = { ...'ghijklmnop', '-': '' }

/** Everything below `root` that an attempt could change, as lines. The access time of files is not part of it. */
function inventory(root) {
  const lines = []
  const visit = (path) => {
    const { mode, uid, gid, size, mtimeNs, nlink, isDirectory, isFile, isSymbolicLink } = facts(path)
    const content = isSymbolicLink ? readlinkSync(path) : isFile ? digest(path, size) : ''
    lines.push([path, mode.toString(8), uid, gid, size, mtimeNs, nlink, attributes(path), content].join(' '))
    if (isDirectory) for (const name of readdirSync(path).sort()) visit(join(path, name))
  }
  visit(root)
  return lines
}

function facts(path) {
  const stat = lstatSync(path, { bigint: true })
  return {
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.size,
    mtimeNs: stat.mtimeNs,
    nlink: stat.nlink,
    isDirectory: stat.isDirectory(),
    isFile: stat.isFile(),
    isSymbolicLink: stat.isSymbolicLink(),
  }
}

/** An attempt may have made a file as long as its file system allows, tmpfs some 280 TB: nothing of ours is so long. */
const TOO_LONG = 1n << 26n

function digest(path, size) {
  if (size > TOO_LONG) return 'too long'
  return createHash('sha1').update(readFileSync(path)).digest('hex').slice(0, 12)
}

const list = scratch(4096)
const pathBuffer = scratch(4096)

function attributes(path) {
  pathBuffer.bytes.fill(0).write(path)
  const length = sys('llistxattr', pathBuffer.address, list.address, 4096)
  return length > 0 ? list.bytes.toString('latin1', 0, length).replaceAll('\0', ',') : '-'
}

function difference(before, after) {
  const [was, is] = [new Set(before), new Set(after)]
  return [
    ...after.filter((line) => !was.has(line)).map((line) => `now ${line}`),
    ...before.filter((line) => !is.has(line)).map((line) => `was ${line}`),
  ]
}

export class Stage {
  #before
  #shape

  constructor(root, secretText, canaryFacts) {
    this.root = root
    const dirs = ['outside/secrets', 'outside/dir/sub', 'inside/playground', 'inside/readonly', 'inside-lookalike']
    for (const dir of dirs) {
      mkdirSync(join(root, dir), { recursive: true })
    }
    const at = (path) => join(root, path)
    writeFileSync(at('outside/secrets/secret.txt'), `${secretText}\n`)
    writeFileSync(at('outside/secrets/secret.json'), JSON.stringify({ secret: secretText }))
    writeFileSync(at('outside/secrets/secret.mjs'), `export const secret = ${JSON.stringify(secretText)}\n`)
    writeFileSync(at('outside/secrets/secret.css'), `.${secretText} { color: red }\n`)
    writeFileSync(at('outside/dir/victim.txt'), 'nobody may change this\n')
    writeFileSync(at('inside-lookalike/secret.txt'), `${secretText}\n`)
    writeFileSync(at('inside/readonly/file.txt'), 'read only\n')
    writeFileSync(at('inside/readonly/hidden.txt'), `${secretText}\n`)
    writeFileSync(at('inside/granted.txt'), 'granted\n')
    writeFileSync(at('inside/granted.txt.bak'), `${secretText}\n`)
    writeFileSync(at('inside/playground/own.txt'), 'own\n')
    mkdirSync(at('inside/playground/box/excluded'), { recursive: true })
    writeFileSync(at('inside/playground/box/excluded/secret.txt'), `${secretText}\n`)
    writeFileSync(at('inside/playground/box/secret.key'), `${secretText}\n`)
    mkdirSync(at('inside/globbed/sub'), { recursive: true })
    for (const name of ['file.txt', 'file.txt.bak', 'file\n.txt', 'other', 'sub/file.txt', '.txt', 'FILE.TXT']) {
      writeFileSync(at(`inside/globbed/${name}`), `${secretText}\n`)
    }
    for (const form of ['NFC', 'NFD']) writeFileSync(at(`inside/${'caf\u00e9'.normalize(form)}.txt`), `${secretText}\n`)
    chmodSync(at('inside/readonly/file.txt'), 0o644)
    execFileSync('mkfifo', [at('outside/pipe')])
    this.facts = {
      ...canaryFacts,
      root,
      secretText,
      secretFile: at('outside/secrets/secret.txt'),
      secretJson: at('outside/secrets/secret.json'),
      secretModule: at('outside/secrets/secret.mjs'),
      secretDir: at('outside/secrets'),
      outsideDir: at('outside/dir'),
      victimFile: at('outside/dir/victim.txt'),
      readOnlyFile: at('inside/readonly/file.txt'),
      hiddenFile: at('inside/readonly/hidden.txt'),
      grantedFile: at('inside/granted.txt'),
      ungrantedFile: at('inside/granted.txt.bak'),
      globDir: at('inside/globbed'),
      composedFile: at(`inside/${'caf\u00e9'.normalize('NFC')}.txt`),
      decomposedFile: at(`inside/${'caf\u00e9'.normalize('NFD')}.txt`),
      box: at('inside/playground/box'),
      excludedDir: at('inside/playground/box/excluded'),
      excludedFile: at('inside/playground/box/excluded/secret.txt'),
      keyFile: at('inside/playground/box/secret.key'),
      playground: at('inside/playground'),
      lookalikeFile: at('inside-lookalike/secret.txt'),
      fifo: at('outside/pipe'),
      tokenEnv: 'ESCAPES_TOKEN',
    }
    // Far back, so that whoever sets a time to now changes it.
    execFileSync('find', [root, '-exec', 'touch', '-h', '-d', '2020-02-02 02:02:02', '{}', '+'])
    this.#before = this.#inventory()
    this.#shape = this.#playground()
  }

  /** Everything but the playground's content. */
  #inventory() {
    return inventory(this.root).filter(
      (line) => !/^[/ ]/.test(line.slice(this.facts.playground.length)) || !line.startsWith(this.facts.playground),
    )
  }

  /** The name of the playground belongs to the directory above it, which nobody granted. */
  #playground() {
    try {
      const stat = lstatSync(this.facts.playground)
      return stat.isDirectory() ? `directory ${stat.ino}` : `mode ${stat.mode.toString(8)}`
    } catch (error) {
      return error.code
    }
  }

  /** How much the attempt has written to its playground so far. Whoever is over and done with writes no more. */
  get written() {
    try {
      return readdirSync(this.facts.playground)
        .map((name) => lstatSync(join(this.facts.playground, name)).size)
        .reduce((sum, size) => sum + size, 0)
    } catch (error) {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return 0
      throw error
    }
  }

  changes() {
    const shape = this.#playground()
    const replaced = shape === this.#shape ? [] : [`the playground itself is now ${shape} instead of ${this.#shape}`]
    return [...replaced, ...difference(this.#before, this.#inventory())]
  }

  close() {
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** What of the stage this process itself has open by now: nobody but an attempt can have put it here. */
export function received(root) {
  return names('/proc/self/fd')
    .map((fd) => target(`/proc/self/fd/${fd}`))
    .filter((path) => path.startsWith(root))
}

/**
 * Processes that still have something of the stage open, or work in it, by any of their threads: of a process whose first
 * thread has ended, only the others tell.
 */
export function leftovers(root) {
  return names('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => names(`/proc/${pid}/task`).some((tid) => holds(`/proc/${pid}/task/${tid}`, root)))
    .map(Number)
}

function holds(thread, root) {
  const links = [`${thread}/cwd`, ...names(`${thread}/fd`).map((fd) => `${thread}/fd/${fd}`)]
  return links.some((link) => target(link).startsWith(root))
}

/** The broker process ends after Vitest, and with all that it started: within two seconds. What is there then is left over. */
export async function leftoversOfRun(root) {
  const until = performance.now() + 2000
  let left = leftovers(root)
  while (left.length > 0 && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    left = leftovers(root)
  }
  return left
}

function names(path) {
  try {
    return readdirSync(path)
  } catch {
    // Gone meanwhile, or not ours to see.
    return []
  }
}

function target(link) {
  try {
    return readlinkSync(link)
  } catch {
    // Gone meanwhile, or not ours to see.
    return ''
  }
}

/** For a Vitest project: modules below its root that name the secret. The worker itself could not write them there. */
export function plantModules(dir, { secretFile, secretDir }) {
  const map = { version: 3, sources: [secretFile], names: [], mappings: 'AAAA' }
  const comment = inlineMap(map)
  const planted = { mappedModule: join(dir, 'mapped.js'), listingModule: join(dir, 'listing.js') }
  writeFileSync(planted.mappedModule, `export const mapped = 1\n//# sourceMappingURL=${comment}\n`)
  writeFileSync(planted.listingModule, `export const found = import.meta.glob('${relative(dir, secretDir)}/*')\n`)
  return planted
}
