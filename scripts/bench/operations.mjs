/** What single operations cost: the same program in every world, rounds taken in turn. */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { summary } from './statistics.mjs'
import { startWorlds } from './worlds.mjs'

/** Of operations.c. */
const NATIVE = [
  'open',
  'readfile',
  'stat',
  'stat-nothing',
  'readdir',
  'write-unlink',
  'pipe',
  'spawn',
  'connect',
  'open-threads',
  'read',
  'write',
  'futex',
  'epoll_wait',
]

function makeTree(directory) {
  mkdirSync(join(directory, 'thousand'), { recursive: true })
  for (let file = 0; file < 1000; file++) writeFileSync(join(directory, 'thousand', `entry-${file}.txt`), '')
  writeFileSync(join(directory, 'file.txt'), 'x'.repeat(4000))
}

/** Nanoseconds per operation: `{ name: { world: numbers } }`, a median of each round. */
export async function benchOperations({ native, scratch, rounds, seconds, only }) {
  const root = realpathSync(scratch)
  makeTree(root)
  const hasNative = typeof native !== 'string'
  const manifest = {
    read: ['./'],
    write: ['./'],
    listen: ['tcp:127.0.0.1:0'],
    exec: ['/bin/true', ...(hasNative ? [native.operations] : [])],
  }
  const worlds = await startWorlds(native, manifest, root)
  const operations = [
    ...(hasNative
      ? NATIVE.map((name) => ({ name, ask: (world) => world.ask('native', native.operations, name, seconds, root) }))
      : []),
    { name: 'readFileSync', ask: (world) => world.ask('readFileSync', seconds, join(root, 'file.txt')) },
    { name: 'statSync', ask: (world) => world.ask('statSync', seconds, join(root, 'file.txt')) },
    { name: 'http', ask: (world) => world.ask('http', seconds * 6) },
  ].filter(({ name }) => only === undefined || only.includes(name))
  const found = {}
  try {
    for (const { name, ask } of operations) {
      found[name] = {}
      for (let round = 0; round < rounds; round++) {
        for (const [world, at] of Object.entries(worlds))
          (found[name][world] ??= []).push(summary(await ask(at)).median)
      }
    }
    found.workers = await together(8, { native, manifest, root, rounds, seconds })
  } finally {
    for (const world of Object.values(worlds)) await world.stop()
  }
  return found
}

/** So many workers that open and close at the same time: what one of them waits for one operation. */
async function together(count, { native, manifest, root, rounds, seconds }) {
  if (typeof native === 'string') return {}
  const crowd = await Promise.all(Array.from({ length: count }, () => startWorlds(native, manifest, root)))
  const found = {}
  try {
    for (let round = 0; round < rounds; round++) {
      for (const world of Object.keys(crowd[0])) {
        const answers = await Promise.all(
          crowd.map((worlds) => worlds[world].ask('native', native.operations, 'open', seconds, root)),
        )
        ;(found[world] ??= []).push(summary(answers.flat()).median)
      }
    }
  } finally {
    await Promise.all(crowd.flatMap((worlds) => Object.values(worlds).map((world) => world.stop())))
  }
  return found
}
