/** A directory of an automounter's is known for one, and nothing is mounted to find out. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { bytePath } from '../../src/policy/request.js'
import { LinuxKernel } from '../../src/sys/kernel.js'

const script = resolve(import.meta.dirname, '../../scripts/escapes/automounter.mjs')

test('autofs (skipped where no automounter can be had)', async ({ skip }) => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'automounter-')))
  const names = `${dir}-names`
  writeFileSync(names, '')
  const daemon = spawn(process.execPath, [script, dir, names], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  try {
    const [said]: unknown[] = await once(daemon.stdout, 'data')
    if (!String(said).startsWith('ready')) return skip(String(said))
    const kernel = new LinuxKernel('shared')
    expect(kernel.mountsOnDemand(bytePath(dir))).toBe(true)
    expect(kernel.kindOf(bytePath(dir))).toBe('directory')
    expect(kernel.mountsOnDemand(bytePath(tmpdir()))).toBe(false)
    expect(kernel.mountsOnDemand(bytePath(`${tmpdir()}/none`))).toBe(true)
    expect(readFileSync(names, 'utf8')).toBe('')
    // What the walk avoids: the automounter is asked for a name that it has never heard of, whatever the flags.
    expect(kernel.kindOf(bytePath(`${dir}/name`))).toMatchObject({ errno: 2 })
    expect(readFileSync(names, 'utf8')).toBe('name\n')
  } finally {
    daemon.kill('SIGKILL')
    spawnSync('umount', ['-l', dir])
    rmSync(dir, { recursive: true })
    rmSync(names)
  }
})
