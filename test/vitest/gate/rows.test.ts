/** One test a row of each adapter's methods: what passes, and what does not. */
import { describe, expect, test } from 'vitest'
import { FrameFiles } from '../../../src/vitest/gate/frame-files.js'
import type { RpcMethods } from '../../../src/vitest/gate/methods.js'
import { PrivateCopies } from '../../../src/vitest/gate/private-copies.js'
import { v3 } from '../../../src/vitest/versions/v3.js'
import { v4 } from '../../../src/vitest/versions/v4.js'
import { v5 } from '../../../src/vitest/versions/v5.js'
import type { Rows } from './row.js'
import { onlyIn3 } from './rows-3.js'
import { files } from './rows-files.js'
import { modules } from './rows-modules.js'
import { tasks } from './rows-tasks.js'
import { scratch, worker } from './stand-in.js'

/** The rows that are another's in no other version. */
function onlyOf(methods: RpcMethods, others: RpcMethods): RpcMethods {
  return Object.fromEntries(Object.entries(methods).filter(([name, row]) => others[name] !== row))
}

const tables: readonly { readonly name: string; readonly methods: RpcMethods; readonly rows: Rows }[] = [
  // All of Vitest 4's are among them.
  { name: 'Vitest 5', methods: v5.methods, rows: { ...modules, ...tasks, ...files } },
  { name: 'Vitest 3', methods: onlyOf(v3.methods, v4.methods), rows: onlyIn3 },
]

describe.each(tables)('$name', ({ methods, rows }) => {
  test('there is a test for each row', () => {
    expect(Object.keys(rows).sort()).toEqual(Object.keys(methods).sort())
  })

  test.each(Object.keys(methods))('%s', async (method) => {
    using at = scratch()
    const copies = new PrivateCopies()
    const kept: string[] = []
    const check = methods[method]?.check({ frames: new FrameFiles(), copies, keep: (copy) => void kept.push(copy) })
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
})
