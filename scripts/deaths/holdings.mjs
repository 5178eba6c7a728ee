// What this process holds, and which processes carry a mark.
import fs from 'node:fs'

const GONE = new Set(['ENOENT', 'ESRCH', 'EACCES'])

function orGone(read, otherwise) {
  try {
    return read()
  } catch (error) {
    if (GONE.has(error.code)) return otherwise
    throw error
  }
}

// Kinds of descriptors: the number of an inode or process does not matter.
export function descriptors() {
  const numbers = fs.readdirSync('/proc/self/fd')
  const kinds = numbers.map((fd) => orGone(() => fs.readlinkSync(`/proc/self/fd/${fd}`), undefined))
  // The directory of /proc/self/fd itself is gone by now.
  return count(kinds.filter((kind) => kind !== undefined).map((kind) => kind.replaceAll(/\d+/g, 'N')))
}

function count(names) {
  const counts = {}
  for (const name of names.sort()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

export const threads = () => fs.readdirSync('/proc/self/task').length

export const children = () =>
  fs.readdirSync('/proc/self/task').flatMap((tid) =>
    orGone(() => fs.readFileSync(`/proc/self/task/${tid}/children`, 'utf8'), '')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  )

// proc(5): "27 (sh) Z", a process that ended and was not waited for, as against one that still runs.
export const stateOf = (pid) =>
  orGone(() => /^.*\) \w/.exec(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[0], `${pid} gone`)

// By their environment or their arguments: a program that cleared the one still has the other.
export function carrying(mark) {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const read = (name) => orGone(() => fs.readFileSync(`/proc/${pid}/${name}`, 'latin1'), '')
      const command = read('cmdline')
      if (!command.includes(mark) && !read('environ').includes(mark)) return []
      return [{ pid: Number(pid), command: command.replaceAll('\0', ' ').trim() }]
    })
}

// proc(5): how many seccomp filters a process has; nothing once it is gone.
export function filtersOf(pid) {
  const status = orGone(() => fs.readFileSync(`/proc/${pid}/status`, 'utf8'), '')
  const text = /^Seccomp_filters:\s*(\d+)/m.exec(status)?.[1]
  return text === undefined ? undefined : Number(text)
}

export const total = (counts) => Object.values(counts).reduce((sum, each) => sum + each, 0)

export function grown(before, after) {
  return Object.entries(after)
    .filter(([kind, number]) => number > (before[kind] ?? 0))
    .map(([kind, number]) => `${kind}: ${before[kind] ?? 0} -> ${number}`)
}
