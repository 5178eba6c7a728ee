/** A directory in which names are found in any case. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { make, Scratch } from './trees.js'

const DAEMON = fileURLToPath(new URL('../../scripts/escapes/folding.mjs', import.meta.url))

type Trees = Parameters<typeof make>[0]

class Folding {
  private constructor(
    readonly directory: string,
    readonly daemon: ChildProcess,
  ) {}

  /** Undefined where no FUSE file system can be mounted. */
  static async mountedAt(directory: string): Promise<Folding | undefined> {
    mkdirSync(directory)
    const daemon = spawn(process.execPath, [DAEMON, directory, 'text'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = await Promise.race([once(daemon.stdout, 'data'), once(daemon, 'exit')])
    return String(said).startsWith('ready') ? new Folding(directory, daemon) : undefined
  }

  [Symbol.dispose](): void {
    spawnSync('umount', ['-l', this.directory])
    this.daemon.kill('SIGKILL')
  }
}

test.for<readonly [string, (scratch: Scratch, folded: string) => Trees]>([
  ['a root', (scratch, folded) => ({ roots: [scratch.modules, folded] })],
  ['a directory of a root', (scratch) => ({ roots: [scratch.modules] })],
  ['a top', (scratch, folded) => ({ roots: [scratch.modules], tops: [folded] })],
])('%s is left to the kernel', async ([, treesOf], { skip }) => {
  using scratch = new Scratch()
  const folded = join(scratch.modules, 'folded')
  using folding = await Folding.mountedAt(folded)
  if (folding === undefined) return skip('no FUSE file system can be mounted here')
  expect(lstatSync(join(folded, 'Granted.TXT')).isFile()).toBe(true)
  const { table } = make(treesOf(scratch, folded))
  const names = ['Granted.TXT', 'SECRET', 'SECRET/key.pem', 'secret/KEY.pem', 'secret/none', 'none']
  expect(names.map((name) => table.kindOf(join(folded, name)))).toEqual(names.map(() => undefined))
  expect(table.kindOf(join(scratch.modules, 'none'))).toBe(-2)
})
