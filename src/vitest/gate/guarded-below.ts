/**
 * Guards those who copied Node's own functions before they were replaced: the functions below them are called by name.
 * Here a name that leads through a link that a test may have made is refused, and any other goes on as it is.
 */
import fs from 'node:fs'
import { checkCarried, heldEntry, heldPlace } from './guarded-places.js'
import { nameOf, replaceBelow, Underway, type NodeFunction } from './node-fs.js'

type NameCheck = (args: readonly unknown[]) => void

const { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC } = fs.constants

/** The way that open(2) with these flags uses a file. */
export function useOf(flags: number): 'read' | 'write' {
  return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) === 0 ? 'read' : 'write'
}

const followed =
  (at: number, use: 'look' | 'read' | 'write'): NameCheck =>
  (args) => {
    const name = nameOf(args[at])
    if (name !== undefined) heldPlace(name, use)
  }

const itself =
  (at: number, rest = ''): NameCheck =>
  (args) => {
    const name = nameOf(args[at])
    if (name !== undefined) heldEntry(name + rest)
  }

const opened: NameCheck = (args) => followed(0, typeof args[1] === 'number' ? useOf(args[1]) : 'write')(args)

const carried: NameCheck = (args) => {
  const [from, to] = [nameOf(args[0]), nameOf(args[1])]
  if (from !== undefined && to !== undefined) checkCarried(from, to)
}

const copied: NameCheck = (args) => {
  followed(0, 'read')(args)
  followed(1, 'write')(args)
}

/** Not every Node has each of them. */
const CHECKS: Readonly<Record<string, NameCheck>> = {
  chmod: followed(0, 'write'),
  chown: followed(0, 'write'),
  copyFile: copied,
  cpSyncCheckPaths: copied,
  cpSyncCopyDir: copied,
  cpSyncOverrideFile: copied,
  lchown: itself(0),
  link: carried,
  lutimes: itself(0),
  mkdir: (args) => (args[2] === true ? followed(0, 'write') : itself(0))(args),
  mkdtemp: itself(0, '-'),
  open: opened,
  openFileHandle: opened,
  readFileUtf8: opened,
  readdir: followed(0, 'look'),
  rename: carried,
  rmSync: itself(0),
  rmdir: itself(0),
  symlink: itself(1),
  unlink: itself(0),
  utimes: followed(0, 'write'),
  writeFileUtf8: followed(0, 'write'),
}

/** While a function runs whose name has been checked: it calls those below before it returns. */
const checked = new Underway()

/** Node's own function, as it is called once the name has been checked. */
export function afterCheck(original: NodeFunction): NodeFunction {
  return function (...args) {
    return checked.during(() => original.apply(this, args))
  }
}

export function guardBelow(): void {
  replaceBelow(Object.keys(CHECKS), (name, args) => {
    if (!checked.isOn) CHECKS[name]?.(args)
    return undefined
  })
}
