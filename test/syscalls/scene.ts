/** The files and grants that the handler tests share: `/r` to read, `/w` to write, `/o` outside, and a bit of /proc and /dev. */
import type { Sketch } from '../contracts/fake-files.js'
import { House, type HouseOptions } from './house.js'

const process = (whose: string, pid: number): Sketch => ({
  status: `status of ${whose}`,
  environ: `environ of ${whose}`,
  mem: `memory of ${whose}`,
  fd: {},
  cwd: '-> /r',
  root: '-> /',
  exe: '-> /usr/node',
  task: { [pid]: { status: `thread status of ${whose}`, fd: {} } },
})

export const FILES: Sketch = {
  r: {
    f: 'read me',
    x: 'second',
    d: { g: 'deep', up: '-> ../f' },
    secret: { k: 'hidden', d: {} },
    in: '-> d/g',
    abs: '-> /r/f',
    out: '-> /o/canary',
    outdir: '-> /o',
    loop: '-> loop',
    a: '-> b',
    b: '-> a',
    dangling: '-> nothing',
    danglingOut: '-> /o/nothing',
    toSecret: '-> secret/k',
    toDir: '-> d',
    dotdot: '-> ../o/canary',
    fifo: 'fifo',
    sock: 'socket',
    '(deleted)': 'x',
    'caf\xc3\xa9': 'utf-8',
    '\xff': 'not utf-8',
  },
  w: {
    f: 'write me',
    x: 'second',
    d: { g: 'deep' },
    e: {},
    keep: { k: 'kept', d: {} },
    l: '-> f',
    toDir: '-> d',
    out: '-> /o',
    outFile: '-> /o/canary',
    dangling: '-> new',
    danglingOut: '-> /o/new',
    toKeep: '-> keep/k',
    fifo: 'fifo',
    toR: '-> /r',
  },
  o: { canary: 'alive', d: { x: 'alive too' }, fifo: 'fifo' },
  proc: {
    100: process('the worker', 100),
    1: process('the broker', 1),
    self: '-> 1',
    'thread-self': '-> 1/task/1',
    meminfo: 'memory',
  },
  dev: { null: 'device', tty: 'device', fd: '-> /proc/self/fd', stdin: '-> /proc/self/fd/0' },
  usr: { node: 'program' },
}

export const RULES: readonly (readonly string[])[] = [
  ['read +/r/', 'read !/r/secret/'],
  ['write +/w/', 'write !/w/keep/'],
  ['read +/proc/self/'],
  ['read +/proc/thread-self'],
  ['read +/dev/null'],
  ['read +/gone/deeper/'],
]

export function scene(options: HouseOptions = {}): House {
  return new House({ files: FILES, rules: RULES, ...options })
}

/** What the outside holds: no call may ever change it. */
export function outside(house: House): Record<string, string> {
  const all = Object.entries(house.kernel.files.snapshot())
  return Object.fromEntries(all.filter(([path]) => /^\/(?:o|r|usr|proc\/1|w\/keep)(?:\/|$)/.test(path)))
}
