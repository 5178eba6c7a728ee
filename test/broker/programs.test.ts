import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { interpretersOf, programsOf } from '../../src/broker/programs.js'
import { rawPath } from '../../src/policy/request.js'
import type { PathRule } from '../../src/policy/rules.js'
import { rule } from '../contracts/rules.js'

let dir: string

function execRule(text: string): PathRule {
  const [sign, ...path] = text
  const found = rule(`execute ${sign}${dir}${path.join('')}`)
  if (!found.root.includes('*')) return found
  return {
    ...found,
    shape: 'glob',
    root: rawPath(found.root.replace(/\/[^/]*\*.*$/, '')),
    pattern: rawPath(found.root),
  }
}

const executable = (...texts: string[]): string[] =>
  programsOf([texts.map(execRule)], [])
    .executable.map((path) => path.replace(dir, ''))
    .toSorted()

describe('what gets the right to be executed', () => {
  beforeAll(() => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'programs-')))
    mkdirSync(join(dir, 'tools/deep'), { recursive: true })
    for (const name of ['tools/one.sh', 'tools/two.sh', 'tools/other', 'tools/deep/three.sh']) {
      writeFileSync(join(dir, name), 'true\n')
      chmodSync(join(dir, name), 0o755)
    }
    symlinkSync('other', join(dir, 'tools/link.sh'))
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  test('a program by its name, and a tree as a whole', () => {
    expect(executable('+/tools/other')).toEqual(['/tools/other'])
    expect(executable('+/tools/')).toEqual([...interpretersOf(process.execPath), '/tools'].toSorted())
  })

  test('of a glob, the files that it means, and never the directory that it is in', () => {
    expect(executable('+/tools/*.sh')).toEqual(['/tools/one.sh', '/tools/two.sh'])
    expect(executable('+/tools/**/*.sh')).toEqual(['/tools/deep/three.sh', '/tools/one.sh', '/tools/two.sh'])
  })

  test('of a tree with an exclusion, the files that are left', () => {
    expect(executable('+/tools/', '!/tools/other')).toEqual(['/tools/deep/three.sh', '/tools/one.sh', '/tools/two.sh'])
    expect(executable('+/tools/', '!/tools/deep/')).toEqual(['/tools/one.sh', '/tools/other', '/tools/two.sh'])
  })

  test('what deny names is left out, as what is excluded', () => {
    const without = (text: string, ...denied: string[]): string[] =>
      programsOf(
        [[execRule(text)]],
        [],
        denied.map((path) => rule(`read !${path.startsWith('/tools') ? dir : ''}${path}`)),
      )
        .executable.map((path) => path.replace(dir, ''))
        .toSorted()
    const left = ['/tools/deep/three.sh', '/tools/one.sh', '/tools/two.sh']
    expect(without('+/tools/', '/tools/other')).toEqual(left)
    expect(without('+/tools/other', '/tools/other')).toEqual([])
    expect(without('+/tools/', '/elsewhere/')).toEqual(executable('+/tools/'))
  })

  test('with a tree, what starts the programs in it: loaders, interpreters, and what env starts', () => {
    mkdirSync(join(dir, 'tree/deep'), { recursive: true })
    mkdirSync(join(dir, 'elsewhere'))
    const write = (path: string, text: string, mode = 0o755): void => writeFileSync(join(dir, path), text, { mode })
    copyFileSync('/bin/true', join(dir, 'tree/deep/true'))
    write('elsewhere/one', '')
    write('elsewhere/two', '')
    write('elsewhere/three', '')
    write('tree/script', `#!${dir}/elsewhere/one\n`)
    write('tree/again', `#!${dir}/elsewhere/one -x\n`)
    write('tree/by-env', `#!/usr/bin/env two\n`)
    write('elsewhere/text', '', 0o644)
    write('tree/text-by-env', `#!/usr/bin/env text\n`)
    write('tree/no-program', `#!${dir}/elsewhere/three\n`, 0o644)
    const rules = [execRule('+/tree/')]
    const { executable: all, implied, interpreters } = programsOf([rules], [join(dir, 'elsewhere')])
    const started = [...interpretersOf('/bin/true'), `${dir}/elsewhere/one`, realpathSync('/usr/bin/env')]
    expect(all).toEqual(expect.arrayContaining([`${dir}/tree`, `${dir}/elsewhere/two`, ...started]))
    expect(all).not.toContain(`${dir}/elsewhere/three`)
    expect(interpreters).toEqual(expect.arrayContaining(started))
    expect(interpreters).not.toContain(`${dir}/elsewhere/two`)
    expect(implied.map(({ root }) => root)).toEqual([`${dir}/elsewhere/two`])
  })

  test('nothing is opened but files: a FIFO behind a #! would wait for ever', () => {
    execFileSync('mkfifo', [join(dir, 'fifo')])
    writeFileSync(join(dir, 'script'), `#!${dir}/fifo\n`, { mode: 0o755 })
    expect(executable('+/script')).toEqual(['/fifo', '/script'])
  })

  test('nothing of a directory that is not there', () => {
    expect(executable('+/none/*.sh')).toEqual([])
  })
})
