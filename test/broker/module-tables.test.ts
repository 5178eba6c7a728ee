/** Workers with a module table: what they learn is there for the next, what changes is seen, and what is left out is asked for. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StartOptions } from '../../src/broker/host.js'
import { moduleTables } from '../../src/broker/module-tables.js'
import { ModuleTable } from '../../src/modules/table.js'
import type { RuleList } from '../../src/policy/policy.js'
import { mapSealed } from '../../src/sys/sealed-memory.js'
import { policyData, rule } from '../contracts/rules.js'
import { confine, missing, type Confined } from './confined.js'

let dir = ''
let modules = ''
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'module-tables-')))
  modules = join(dir, 'node_modules')
  write('one/index.js', 'one')
  write('two/index.js', 'two')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function write(name: string, text: string): string {
  const path = join(modules, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

/** As the base grants have it: the reason tells that the grant is one. */
function policy(rules: readonly string[] = []): StartOptions['policy'] {
  const data = policyData([[`read +${modules}/`], [...rules]])
  return {
    ...data,
    lists: data.lists.map((list, at) => (at === 0 ? list.map((rule) => ({ ...rule, reason: 'installed' })) : list)),
  }
}

function worker(without: readonly string[] = [], rules: readonly string[] = []): Promise<Confined> {
  return confine({
    runtime: 'broker/runtime.mjs',
    policy: policy(rules),
    modules: { roots: [modules], aliases: [], without },
  })
}

describe.skipIf(missing !== undefined)('workers with a module table', () => {
  test('have what another has read, while both live, and ask for it no more', async () => {
    const reader = await worker()
    const other = await worker()
    const path = join(modules, 'one/index.js')
    expect(await reader.value('readFile', path)).toBe('one')
    // Its reads are told in lots, and at its end.
    await reader.worker.stop()
    // Which nobody does while tests run; it shows who answers.
    write('one/index.js', 'changed')
    expect(await other.value('readFile', path)).toBe('one')
    expect(await other.value('readFile', join(modules, 'two/index.js'))).toBe('two')
    await other.worker.stop()
  })

  test('see what was changed before they were born', async () => {
    const path = join(modules, 'one/index.js')
    symlinkSync('one', join(modules, 'link'))
    const first = await worker()
    expect(await first.value('readFile', path)).toBe('one')
    expect(await first.value('exists', join(modules, 'three/index.js'))).toBe(false)
    await first.worker.stop()
    write('one/index.js', 'edited')
    write('three/index.js', 'three')
    rmSync(join(modules, 'link'))
    symlinkSync('two', join(modules, 'link'))
    const second = await worker()
    expect(await second.value('readFile', path)).toBe('edited')
    expect(await second.value('readFile', join(modules, 'three/index.js'))).toBe('three')
    expect(await second.value('readFile', join(modules, 'link/index.js'))).toBe('two')
    await second.worker.stop()
    write('one/index.js', 'again')
    const third = await worker()
    expect(await third.value('readFile', path)).toBe('again')
    await third.worker.stop()
  })

  test('see what was made between their birth and their first test, as a global setup does', async () => {
    const before = await worker()
    const confined = await worker()
    write('made/index.js', 'made')
    write('one/index.js', 'edited')
    await confined.worker.setPolicy(policy())
    expect(await confined.value('readFile', join(modules, 'made/index.js'))).toBe('made')
    expect(await confined.value('readFile', join(modules, 'one/index.js'))).toBe('edited')
    await Promise.all([before.worker.stop(), confined.worker.stop()])
  })

  test('ask for what the table leaves out, and what they write there is seen at once', async () => {
    const own = join(modules, 'own')
    const first = await worker([own], [`write +${own}/`])
    const second = await worker([own], [`write +${own}/`])
    expect(await first.value('exists', join(own, 'x.js'))).toBe(false)
    write('own/x.js', 'x')
    expect(await second.value('readFile', join(own, 'x.js'))).toBe('x')
    await first.worker.stop()
    write('own/x.js', 'y')
    expect(await second.value('readFile', join(own, 'x.js'))).toBe('y')
    await second.worker.stop()
  })

  test('have nothing by it that `deny` refuses one of them', async () => {
    const path = join(modules, 'one/index.js')
    const trees = { roots: [modules], aliases: [], without: [], denied: [{ root: join(modules, 'one') }] }
    const confined = (denied: RuleList): Promise<Confined> =>
      confine({ runtime: 'broker/runtime.mjs', policy: { ...policy(), denied }, modules: trees })
    const first = await confined([])
    const second = await confined([{ ...rule(`read !${modules}/one/`), quiet: 'absent' }])
    expect(await first.value('readFile', path)).toBe('one')
    await first.worker.stop()
    expect(await second.value('readFile', path)).toBe('ENOENT')
    await second.worker.stop()
  })

  test('hold neither a descriptor of it nor a mapping that could be written to', async () => {
    const first = await worker()
    const confined = await worker()
    await first.worker.stop()
    const maps = readFileSync(`/proc/${confined.worker.pid}/maps`, 'latin1')
      .split('\n')
      .filter((line) => line.includes('vitest-seccomp modules'))
    expect(maps).toHaveLength(1)
    expect(maps[0]).toMatch(/ r--s /)
    const flags = readFileSync(`/proc/${confined.worker.pid}/smaps`, 'latin1')
      .split('vitest-seccomp modules')[1]
      ?.match(/^VmFlags: (.*)$/m)?.[1]
      ?.trim()
      .split(' ')
    // proc_pid_smaps(5): mr may read, mw may write.
    expect(flags).toContain('mr')
    expect(flags).not.toContain('mw')
    await confined.worker.stop()
  })
})

describe.skipIf(missing !== undefined)('code for CommonJS modules', () => {
  function tableOf(compiled: boolean, path: string): ModuleTable {
    const trees = { roots: [modules], aliases: [], without: [], compiled }
    // The first worker, whose trees nobody has looked for.
    expect(moduleTables.tableFor(undefined, Date.now(), true)).toBeUndefined()
    moduleTables.learn([path], Date.now())
    const second = moduleTables.tableFor(trees, Date.now(), false)
    if (second === undefined) throw new Error('no table')
    const memory = mapSealed(second.fd, second.size)
    second.fd.close()
    second.fill()
    return new ModuleTable(memory)
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  test('is made from the second worker on, for what was read', async () => {
    const path = write('one/main.js', 'exports.one = 1')
    const unread = write('one/unread.js', 'exports.two = 2')
    const later = write('two/main.js', 'exports.three = 3')
    const table = tableOf(true, path)
    while (table.codeOf(path) === undefined) await turn()
    moduleTables.learn([later], Date.now())
    while (table.codeOf(later) === undefined) await turn()
    expect(table.codeOf(unread)).toBeUndefined()
  })

  test('is not made where coverage would miss it', async () => {
    const path = write('one/main.js', 'exports.one = 1')
    const other = write('two/main.js', 'exports.two = 2')
    const without = tableOf(false, path)
    // Whatever is made is made in order: once this one is there, the other would be.
    const table = tableOf(true, other)
    while (table.codeOf(other) === undefined) await turn()
    expect(without.contentOf(path)).toBeDefined()
    expect(without.codeOf(path)).toBeUndefined()
  })
})

test.skipIf(missing !== undefined)('Vitest itself has a table while it starts, and only then', () => {
  const path = join(modules, 'one/index.js')
  const { fd, size, fill } = moduleTables.tableForStart(
    () => ({ roots: [modules], aliases: [], without: [join(modules, 'two')] }),
    Date.now(),
  )
  const memory = mapSealed(fd, size)
  fd.close()
  expect(ModuleTable.in(memory)).toBeUndefined()
  fill()
  const table = ModuleTable.in(memory)
  expect(['one/index.js', 'one/none.js', 'two/index.js'].map((name) => table?.kindOf(join(modules, name)))).toEqual([
    0,
    -2,
    undefined,
  ])
  // With all content from the start on: nobody has read anything yet.
  const content = table?.contentOf(path)
  expect(content && table?.text(content)).toBe('one')
  moduleTables.endStart()
  expect(table?.kindOf(path)).toBeUndefined()
})
