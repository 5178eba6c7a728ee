/** V8's code for modules: made from the table's own content, and used for nothing else. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { addCode, mayHaveCode, moduleWith } from '../../src/modules/code.js'
import { make, Scratch, type Made } from './trees.js'

function madeOf(source: string): Made & { readonly path: string } & Disposable {
  const scratch = new Scratch()
  const path = scratch.place('one/index.js')
  writeFileSync(path, source)
  const made = make({ roots: [scratch.modules] })
  made.use(path)
  return { ...made, path, [Symbol.dispose]: () => scratch[Symbol.dispose]() }
}

/** The module, run as Node's loader runs it. */
function exportsOf(run: (...args: readonly unknown[]) => unknown, path: string): Record<string, unknown> {
  const module = { exports: {} as Record<string, unknown> }
  Reflect.apply(run, module.exports, [module.exports, () => undefined, module, path, join(path, '..')])
  return module.exports
}

describe('the code of a module', () => {
  test('is there once it was added, behind links too, and V8 uses it', () => {
    const source = 'exports.sum = (a, b) => a + b; exports.file = __filename'
    using made = madeOf(source)
    const { table, writer, path } = made
    expect(table.codeOf(path)).toBeUndefined()
    addCode(path, writer)
    const known = table.codeOf(path)
    if (known === undefined) throw new Error('no code')
    expect(table.text(known.content)).toBe(source)
    const { run, isCodeUsed } = moduleWith(source, path, known.code)
    expect(isCodeUsed).toBe(true)
    expect(Object.getOwnPropertyNames(run)).not.toContain('cachedDataRejected')
    const { sum, file } = exportsOf(run, path)
    expect(typeof sum === 'function' && sum(1, 2)).toBe(3)
    expect(file).toBe(path)
  })

  test('is not used for a source of another length, whose own meaning it keeps', () => {
    using made = madeOf('exports.value = 1')
    addCode(made.path, made.writer)
    const known = made.table.codeOf(made.path)
    if (known === undefined) throw new Error('no code')
    const { run, isCodeUsed } = moduleWith('exports.value = "other"', made.path, known.code)
    expect(isCodeUsed).toBe(false)
    expect(exportsOf(run, made.path)).toEqual({ value: 'other' })
  })

  test.each([
    ['an ES module', 'export const a = 1'],
    ['a text with a byte order mark', '\uFEFFexports.a = 1'],
    ['a syntax error', 'exports.a = {'],
    ['nested too deeply', `exports.a = ${'['.repeat(200_000)}${']'.repeat(200_000)}`],
  ])('%s has none', (_, source) => {
    using made = madeOf(source)
    addCode(made.path, made.writer)
    expect(made.table.contentOf(made.path)).toBeDefined()
    expect(made.table.codeOf(made.path)).toBeUndefined()
  })

  test('nothing of it runs when it is made', () => {
    using made = madeOf('globalThis.ranWhenItWasCompiled = true')
    addCode(made.path, made.writer)
    expect(made.table.codeOf(made.path)).toBeDefined()
    expect(globalThis).not.toHaveProperty('ranWhenItWasCompiled')
  })

  test('a file that nobody has read has none, nor has one whose code does not fit', () => {
    using scratch = new Scratch()
    const [unread, large] = ['one/unread.js', 'one/large.js'].map((name) => scratch.place(name))
    if (unread === undefined || large === undefined) throw new Error('no places')
    writeFileSync(unread, 'exports.a = 1')
    // The table of the test has a megabyte.
    writeFileSync(large, `exports.a = [${Array.from({ length: 60_000 }, (_, at) => `'text ${at}'`).join()}]`)
    const { table, writer, use } = make({ roots: [scratch.modules] })
    use(large)
    for (const path of [unread, large]) {
      addCode(path, writer)
      expect(table.codeOf(path) === undefined).toBe(true)
    }
    expect(table.contentOf(large) === undefined).toBe(false)
  })

  test('by name: CommonJS only', () => {
    const names = ['a.js', 'a.cjs', 'a.mjs', 'a.json', 'a.node', 'a.ts', 'js']
    expect(names.filter(mayHaveCode)).toEqual(['a.js', 'a.cjs'])
  })
})

test('on Node before 20.12 nothing is compiled ahead, and workers load modules as ever', () => {
  const compiled = new URL('../../dist/child/compiled.js', import.meta.url).href
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import Module from 'node:module'
       import vm from 'node:vm'
       delete vm.constants
       const { _compile } = Module.prototype
       const { compileFrom } = await import(${JSON.stringify(compiled)})
       compileFrom({ codeOf: () => undefined })
       console.log(Module.prototype._compile === _compile)`,
    ],
    { encoding: 'utf8' },
  )
  expect({ stdout, stderr }).toEqual({ stdout: 'true\n', stderr: '' })
})
