/** Directories and sockets that one broker thread has for itself. */
import { mkdirSync, mkdtempSync, openSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, test } from 'vitest'
import { Errno } from '../../src/abi/errno.js'
import type { InodeLocks, Turn } from '../../src/sys/inode-locks.js'
import { Fail, failed, type Outcome } from '../../src/syscalls/outcome.js'

const isLinux = process.platform === 'linux'

describe.skipIf(!isLinux)('inode locks (skipped where the system is not Linux)', async () => {
  if (!isLinux) return
  const { InodeLocks } = await import('../../src/sys/inode-locks.js')
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'inode-locks-')))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  let count = 0
  const directory = (): number => {
    const path = join(scratch, `${++count}`)
    mkdirSync(path)
    return openSync(path, 'r')
  }
  const given = (turn: Outcome<Turn> | 'taken'): Turn => {
    if (failed(turn) || turn === 'taken') throw new Error(`not given: ${String(turn)}`)
    return turn
  }
  const another = (locks: InodeLocks): InodeLocks => new InodeLocks(locks.shared)

  test('an inode is had by one at a time, by whatever descriptor and thread', () => {
    const locks = new InodeLocks()
    const [one, other] = [directory(), directory()]
    const again = openSync(join(scratch, `${count - 1}`), 'r')
    const turn = given(locks.take(one))
    expect(another(locks).take(again)).toBe('taken')
    given(another(locks).take(other))[Symbol.dispose]()
    turn[Symbol.dispose]()
    given(another(locks).take(again))[Symbol.dispose]()
  })

  test('an inode is had by one process at a time, but for what no other process can have', () => {
    // With a table of their own, as another process has them.
    const [ours, theirs] = [new InodeLocks(), new InodeLocks()]
    const [one, other] = [directory(), directory()]
    const turn = given(ours.take(one))
    expect(theirs.take(one)).toBe('taken')
    expect(theirs.takeNow(other, one)).toBe('taken')
    given(theirs.takeNow(other))[Symbol.dispose]()
    ours.takeBack(turn.give())
    given(theirs.take(one, other))[Symbol.dispose]()
    const here = given(ours.takeHere(one))
    expect(another(ours).takeHere(one)).toBe('taken')
    given(theirs.takeHere(one))[Symbol.dispose]()
    here[Symbol.dispose]()
  })

  test('two are had together or not at all, and one that is named twice is one', () => {
    const locks = new InodeLocks()
    const [one, other, third] = [directory(), directory(), directory()]
    const turn = given(locks.take(one))
    expect(another(locks).take(other, one)).toBe('taken')
    given(another(locks).take(other, other, third))[Symbol.dispose]()
    turn[Symbol.dispose]()
    given(another(locks).take(other, one))[Symbol.dispose]()
  })

  test('what a thread had that broke down is free again, also while it looked at the table', () => {
    const locks = new InodeLocks()
    const [one, other] = [directory(), directory()]
    const broken = new InodeLocks(locks.shared, 7)
    given(broken.take(one))
    const alive = given(new InodeLocks(locks.shared, 8).take(other))
    Atomics.store(new Int32Array(locks.shared), 0, 7)
    locks.forget(7)
    given(locks.take(one))[Symbol.dispose]()
    expect(locks.take(other)).toBe('taken')
    alive[Symbol.dispose]()
  })

  test('what is given back is given back alone', () => {
    const locks = new InodeLocks()
    const [one, other] = [directory(), directory()]
    const turn = given(locks.take(one))
    given(another(locks).take(other))[Symbol.dispose]()
    expect(another(locks).take(one)).toBe('taken')
    turn[Symbol.dispose]()
  })

  test('what is no descriptor is EBADF, and nothing is had', () => {
    const locks = new InodeLocks()
    const one = directory()
    expect(locks.take(one, 99_999)).toEqual(Fail.of(Errno.EBADF))
    given(locks.take(one))[Symbol.dispose]()
  })

  test('where there is no room it is ENOLCK, and what was given back is room again', () => {
    const locks = new InodeLocks(new SharedArrayBuffer(4 * (3 + 2 * 5)))
    const turns = [directory(), directory()].map((fd) => given(locks.take(fd)))
    const one = directory()
    expect(locks.take(one)).toEqual(Fail.of(Errno.ENOLCK))
    turns[0]?.[Symbol.dispose]()
    given(locks.take(one))[Symbol.dispose]()
  })

  test('threads that count under the lock lose no count', async () => {
    const rounds = 3000
    const locks = new InodeLocks()
    const fd = directory()
    const cells = new Int32Array(new SharedArrayBuffer(4))
    const code = `
      const { workerData: { dist, shared, fd, cells, rounds } } = require('node:worker_threads')
      import(dist).then(({ InodeLocks }) => {
        const locks = new InodeLocks(shared)
        for (let round = 0; round < rounds; ) {
          const turn = locks.take(fd)
          if (turn === 'taken') continue
          // Read, then written: without the lock another thread comes between.
          const seen = cells[0]
          for (let spin = 0; spin < 50; spin++);
          cells[0] = seen + 1
          turn[Symbol.dispose]()
          round++
        }
      })`
    const dist = new URL('../../dist/sys/inode-locks.js', import.meta.url).href
    const workers = [1, 2, 3].map(
      () => new Worker(code, { eval: true, workerData: { dist, shared: locks.shared, fd, cells, rounds } }),
    )
    const codes = await Promise.all(
      workers.map((worker) => new Promise((resolve) => void worker.once('exit', resolve))),
    )
    expect([codes, cells[0]]).toEqual([[0, 0, 0], 3 * rounds])
  })
})
