import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { packageDirs } from '../../src/project/package-dirs.js'

let scratch: string
beforeEach(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'packages-')))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

function install(path: string, manifest: object = {}): string {
  const dir = join(scratch, path)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'package.json'), JSON.stringify(manifest))
  return dir
}

const found = (packages: readonly string[], covered: readonly string[] = []): string[] =>
  packageDirs(
    packages,
    covered.map((dir) => join(scratch, dir)),
  )
    .map((dir) => dir.slice(scratch.length + 1))
    .sort()

test('what a package depends on is found as Node finds it, once each, and nothing else that lies there', () => {
  const one = install('node_modules/one', {
    dependencies: { two: '*', '@scope/three': '*' },
    peerDependencies: { four: '*', absent: '*' },
    devDependencies: { six: '*' },
  })
  install('node_modules/two', { dependencies: { one: '*', four: '*' } })
  install('node_modules/two/node_modules/four', { optionalDependencies: { five: '*' } })
  for (const name of ['@scope/three', 'four', 'five', 'six']) install(`node_modules/${name}`)
  expect(found([one])).toEqual(
    ['@scope/three', 'five', 'four', 'one', 'two', 'two/node_modules/four'].map((name) => `node_modules/${name}`),
  )
})

test('a link is followed to where the package lies, and its own are looked for there', () => {
  const one = install('app/node_modules/one', { dependencies: { linked: '*' } })
  symlinkSync(install('elsewhere/linked', { dependencies: { own: '*' } }), join(scratch, 'app/node_modules/linked'))
  install('elsewhere/node_modules/own')
  install('app/node_modules/own')
  expect(found([one])).toEqual(['app/node_modules/one', 'elsewhere/linked', 'elsewhere/node_modules/own'])
})

test('where everything is covered nothing is looked for', () => {
  const one = install('app/node_modules/one', { dependencies: { two: '*' } })
  install('app/node_modules/two')
  expect(found([one], ['app/node_modules'])).toEqual([])
  expect(found([one], ['app/node_modules/o'])).toEqual(['app/node_modules/one', 'app/node_modules/two'])
})
