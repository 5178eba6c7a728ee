/** One program's stage: canary files outside the grants, a playground inside, and what changed afterwards. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { scratch, sys } from '../../fixtures/escapes/lib/native.mjs'

/** Everything below `root` that an attempt could change, as lines. The access time of files is not part of it. */
function inventory(root) {
  const lines = []
  const visit = (path) => {
    const { mode, uid, gid, size, mtimeNs, nlink, isDirectory, isFile, isSymbolicLink } = facts(path)
    const content = isSymbolicLink ? readlinkSync(path) : isFile ? digest(path) : ''
    lines.push([path, mode.toString(8), uid, gid, size, mtimeNs, nlink, attributes(path), content].join(' '))
    if (isDirectory) for (const name of readdirSync(path).sort()) visit(join(path, name))
  }
  visit(root)
  return lines
}

function facts(path) {
  const stat = lstatSync(path, { bigint: true })
  return {
    mode: stat.mode, uid: stat.uid, gid: stat.gid, size: stat.size, mtimeNs: stat.mtimeNs, nlink: stat.nlink,
    isDirectory: stat.isDirectory(), isFile: stat.isFile(), isSymbolicLink: stat.isSymbolicLink(),
  }
}

function digest(path) {
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
  return [...after.filter((line) => !was.has(line)).map((line) => `now ${line}`),
    ...before.filter((line) => !is.has(line)).map((line) => `was ${line}`)]
}

export class Stage {
  #before
  #shape

  constructor(root, secretText, canaryFacts) {
    this.root = root
    for (const dir of ['outside/secrets', 'outside/dir/sub', 'inside/playground', 'inside/readonly', 'inside-lookalike']) {
      mkdirSync(join(root, dir), { recursive: true })
    }
    const at = (path) => join(root, path)
    writeFileSync(at('outside/secrets/secret.txt'), `${secretText}\n`)
    writeFileSync(at('outside/secrets/secret.json'), JSON.stringify({ secret: secretText }))
    writeFileSync(at('outside/dir/victim.txt'), 'nobody may change this\n')
    writeFileSync(at('inside-lookalike/secret.txt'), `${secretText}\n`)
    writeFileSync(at('inside/readonly/file.txt'), 'read only\n')
    writeFileSync(at('inside/readonly/hidden.txt'), `${secretText}\n`)
    writeFileSync(at('inside/granted.txt'), 'granted\n')
    writeFileSync(at('inside/granted.txt.bak'), `${secretText}\n`)
    writeFileSync(at('inside/playground/own.txt'), 'own\n')
    chmodSync(at('inside/readonly/file.txt'), 0o644)
    execFileSync('mkfifo', [at('outside/pipe')])
    this.facts = {
      ...canaryFacts, root, secretText,
      secretFile: at('outside/secrets/secret.txt'), secretJson: at('outside/secrets/secret.json'),
      secretDir: at('outside/secrets'), outsideDir: at('outside/dir'), victimFile: at('outside/dir/victim.txt'),
      readOnlyFile: at('inside/readonly/file.txt'), hiddenFile: at('inside/readonly/hidden.txt'),
      grantedFile: at('inside/granted.txt'), ungrantedFile: at('inside/granted.txt.bak'),
      playground: at('inside/playground'), lookalikeFile: at('inside-lookalike/secret.txt'),
      fifo: at('outside/pipe'), tokenEnv: 'ESCAPES_TOKEN',
    }
    // One second back, so that whoever sets a time to now changes it.
    execFileSync('find', [root, '-exec', 'touch', '-h', '-d', '2020-02-02 02:02:02', '{}', '+'])
    this.#before = this.#inventory()
    this.#shape = this.#playground()
  }

  /** Everything but the playground's content. */
  #inventory() {
    return inventory(this.root).filter((line) => !/^[/ ]/.test(line.slice(this.facts.playground.length)) || !line.startsWith(this.facts.playground))
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

  changes() {
    const shape = this.#playground()
    const replaced = shape === this.#shape ? [] : [`the playground itself is now ${shape} instead of ${this.#shape}`]
    return [...replaced, ...difference(this.#before, this.#inventory())]
  }

  close() {
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** Processes that still have something of the stage open, or work in it. */
export function leftovers(root) {
  const found = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    const links = [`/proc/${name}/cwd`, ...names(`/proc/${name}/fd`).map((fd) => `/proc/${name}/fd/${fd}`)]
    if (links.some((link) => target(link).startsWith(root))) found.push(Number(name))
  }
  return found
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
