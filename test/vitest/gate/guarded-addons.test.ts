/** Addons that a test may have written. */
import { symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { guardAddons } from '../../../src/vitest/gate/guarded-addons.js'
import { scratch } from './stand-in.js'

test('no addon is loaded from where a test may write, nor through a link there', () => {
  using at = scratch()
  for (const dir of ['src', 'out']) at.write(`${dir}/a.node`, 'no addon')
  symlinkSync(at.at('src/a.node'), at.at('out/link.node'))
  symlinkSync(at.at('out/a.node'), at.at('src/link.node'))
  guardAddons((path) => path.startsWith(at.at('out/')))
  const load = (path: string) => (): void => process.dlopen({ exports: {} }, at.at(path))
  for (const path of ['out/a.node', 'out/link.node', 'src/link.node', 'src/../out/a.node', 'out/missing.node'])
    expect(load(path), path).toThrow(/own process does not load the addon .*: a test may have written/)
  // The linker's own error: it is no addon.
  expect(load('src/a.node')).toThrow(/file too short|invalid ELF header/i)
})
