/** One test a row of RPC_METHODS: what passes, and what does not. */
import { expect, test } from 'vitest'
import { FrameFiles } from '../../../src/vitest/gate/frame-files.js'
import { RPC_METHODS } from '../../../src/vitest/gate/methods.js'
import { PrivateCopies } from '../../../src/vitest/gate/private-copies.js'
import type { Rows } from './row.js'
import { files } from './rows-files.js'
import { modules } from './rows-modules.js'
import { tasks } from './rows-tasks.js'
import { scratch, worker } from './stand-in.js'

const rows: Rows = { ...modules, ...tasks, ...files }

test('there is a test for each row', () => {
  expect(Object.keys(rows).sort()).toEqual(Object.keys(RPC_METHODS).sort())
})

test.each(Object.keys(RPC_METHODS))('%s', async (method) => {
  using at = scratch()
  const copies = new PrivateCopies()
  const kept: string[] = []
  const check = RPC_METHODS[method]?.check({ frames: new FrameFiles(), copies, keep: (copy) => void kept.push(copy) })
  await rows[method]?.(
    async (args, setting) => {
      if (check === undefined) throw new Error('no row')
      return check(args, worker(at.root, setting))
    },
    at,
    kept,
  )
  copies.remove(kept)
})
