/** Calls by which Vitest reads and writes files. */
import { mkdirSync, readdirSync, symlinkSync, truncateSync } from 'node:fs'
import { expect, vi } from 'vitest'
import type { GateOutcome } from '../../../src/vitest/gate/outcome.js'
import { type Rows } from './row.js'
import { answered, passed, refusal, type Setting } from './stand-in.js'

export const files: Rows = {
  async onTaskArtifactRecord(call, at) {
    const [secret, granted] = [at.write('secret.txt'), at.write('granted.txt', 'text')]
    const record = (path: string, setting?: Setting): Promise<GateOutcome> =>
      call(['own_0', { type: 'x', attachments: [{ path }] }], setting)
    expect(
      passed(await call(['own_0', { type: 'x', attachments: [{ body: 'b' }, { path: 'https://x/y' }] }])),
    ).toBeDefined()
    expect(refusal(await record('secret.txt'))).toBe(`read ${secret}`)
    expect(passed(await record('granted.txt', { read: ['granted.txt'] }))).toEqual([
      'own_0',
      { type: 'x', attachments: [{ path: at.at('granted.txt') }] },
    ])
    // Vitest would follow the stacks in it.
    const trace = { type: 'internal:browserTrace', data: { entries: [{ stack: '    at /etc/passwd:1:1' }] } }
    expect(await call(['own_0', trace])).toMatchObject({ to: 'worker', reply: { result: { type: trace.type } } })
    // What the test may change is copied first.
    const copied = await record(granted, { write: ['granted.txt'] })
    expect(passed(copied)?.[1]).toMatchObject({
      attachments: [{ path: expect.stringMatching(/kept-.*granted\.txt$/) }],
    })
    if (copied.to === 'vitest') void copied.after?.(undefined)
    expect(refusal(await record('granted.txt', { read: ['granted.txt'], write: ['.attachments/'] }))).toMatch(
      /where tests may write/,
    )
    expect(await record('none.txt', { read: ['./'] })).toMatchObject({ reply: { failed: { code: 'ENOENT' } } })
    expect(refusal(await record('.', { read: ['./'] }))).toMatch(/is not a regular file/)
    expect(refusal(await record('none\\..\\secret.txt', { read: ['./'] }))).toMatch(/contains a backslash/)
    // A link that may be replaced is followed once.
    mkdirSync(at.at('links'))
    symlinkSync(granted, at.at('links/l'))
    const linked = await record('links/l', { read: ['granted.txt'], write: ['links/'] })
    expect(passed(linked)?.[1]).toMatchObject({
      attachments: [{ path: expect.stringMatching(/kept-.*granted\.txt$/) }],
    })
    if (linked.to === 'vitest') void linked.after?.(undefined)
    // If one cannot be copied, no copy is left.
    at.write('out/small.txt', 'text')
    at.write('out/huge.txt')
    truncateSync(at.at('out/huge.txt'), 2 ** 30)
    vi.stubEnv('TMPDIR', at.root)
    const both = ['small', 'huge'].map((name) => ({ path: `out/${name}.txt` }))
    await expect(call(['own_0', { type: 'x', attachments: both }], { write: ['out/'] })).rejects.toThrow(/at most/)
    vi.unstubAllEnvs()
    expect(readdirSync(at.root).filter((name) => name.includes('kept'))).toEqual([])
    expect(refusal(await record('/proc/self/environ', { read: ['/'] }))).toMatch(/the kernel answers/)
    expect(refusal(await call(['other_0', { type: 'x' }]))).toMatch(/none of this worker/)
    expect(
      refusal(
        await call(['own_0', { type: 'internal:annotation', annotation: { attachment: { path: 'secret.txt' } } }]),
      ),
    ).toBe(`read ${secret}`)
    // What reporters print is of the type that they count on.
    const odd = { file: 5, line: 1, column: 1 }
    const place = { file: 'a.ts', line: 1, column: 2 }
    const told = async (artifact: object): Promise<unknown> => passed(await call(['own_0', artifact]))?.[1]
    const annotation = { message: {}, type: 5, location: odd, attachment: { path: 5, body: new Uint8Array(1), x: 5n } }
    expect(await told({ type: 'internal:annotation', annotation, other: 1, location: odd })).toEqual({
      type: 'internal:annotation',
      annotation: { message: '', type: 'notice', attachment: { body: new Uint8Array(1), x: '5' } },
      attachments: [],
    })
    const whole = {
      message: 'm',
      type: 'error',
      location: place,
      attachment: { path: 'https://x/y', contentType: 'a/b' },
    }
    expect(await told({ type: 'internal:annotation', annotation: whole, location: place })).toEqual({
      type: 'internal:annotation',
      annotation: whole,
      location: place,
      attachments: [],
    })
    for (const type of ['constructor', '__proto__'])
      expect(await told({ type: 'internal:annotation', annotation: { type } })).toMatchObject({
        annotation: { type: 'notice' },
      })
    expect(await told({ type: 'internal:failureScreenshot' })).toEqual({
      type: 'internal:failureScreenshot',
      attachments: [],
    })
    expect(await told({ type: 'x', own: { n: 5n, toString: 1 }, location: odd, message: 5 })).toEqual({
      type: 'x',
      own: { n: '5' },
    })
    await expect(call(['own_0', { type: 5 }])).rejects.toThrow(/artifact's type is of type number/)
  },
  async readBenchmarkResult(call, at) {
    const path = at.write('bench/r.json', '{"n":1}')
    expect(refusal(await call(['bench/r.json']))).toBe(`read ${path}`)
    expect(answered(await call(['bench/r.json'], { read: ['bench/'] }))).toEqual({ n: 1 })
    expect(answered(await call(['bench/missing.json'], { read: ['bench/'] }))).toBeNull()
    symlinkSync('/etc/passwd', at.at('bench/l.json'))
    expect(refusal(await call(['bench/l.json'], { read: ['bench/'] }))).toBe('read /etc/passwd')
    expect(await call(['../x.json'])).toMatchObject({ reply: { failed: expect.any(Error) } })
    at.write('bench/bad.json', 'secret text')
    expect(JSON.stringify(await call(['bench/bad.json'], { read: ['bench/'] }))).not.toContain('secret')
  },
  async writeBenchmarkResult(call, at) {
    expect(refusal(await call(['bench/r.json', {}]))).toBe(`write ${at.at('bench/r.json')}`)
    expect(answered(await call(['bench/new/r.json', { n: 2 }], { write: ['bench/'] }))).toBeUndefined()
    expect(answered(await call(['bench/new/r.json'], { write: ['bench/'] }))).toBeUndefined()
    symlinkSync('/etc', at.at('bench/etc'))
    expect(refusal(await call(['bench/etc/x.json', {}], { write: ['bench/'] }))).toBe('write /etc/x.json')
  },
  async onAfterSuiteRun(call, at, kept) {
    const code = at.write('src/a.ts')
    const result = [
      { url: `file://${code}`, functions: [] },
      // Vitest decodes these once more.
      { url: `file://${at.at('data.json%3Fx.js')}` },
      { url: `file://${at.at('src/%252e%252e/%252e%252e/secret.js')}` },
      { url: `file://${code}#/../x.js` },
      { url: `file://${at.at('out/%2e%2e/src/a.ts')}` },
      // The provider would make up a text for these.
      { url: `file://${at.at('src/gone.ts')}`, functions: [] },
      { url: `file://${at.at('src')}/`, functions: [] },
      { url: `file://${code}`, functions: [], startOffset: { toString: 1 } },
      { url: 'file:///etc/passwd' },
      { url: 'file:///proc/1/x.ts' },
      { url: `file://${at.write('data.json')}` },
    ]
    const testFiles = ['test/own.test.ts']
    const meta = { environment: 'ssr', testFiles, projectName: 'forged' }
    const named = { ...meta, projectName: 'p', coverage: { result: [result[0]] } }
    // The coverage of another file would be replaced by this.
    for (const names of [testFiles, ['test/other.test.ts'], [...testFiles, 'test/other.test.ts'], []])
      expect(passed(await call([{ ...meta, testFiles: names, coverage: { result } }]))).toEqual([named])
    const range = { startOffset: 0, endOffset: 9, count: 1 }
    const part = { startOffset: 2, endOffset: 4, count: 0 }
    const script = (ranges: unknown): object => ({
      url: `file://${code}`,
      functions: [{ functionName: 'f', ranges, isBlockCoverage: true }],
    })
    const scripts = async (...all: readonly object[]): Promise<unknown> =>
      passed(await call([{ ...meta, coverage: { result: all } }]))
    const odd = [[], [null], [{}], [part, range], [{ ...range, count: 5n }], undefined]
    expect(await scripts(script([range, part]), ...odd.map(script), { url: `file://${code}` })).toMatchObject([
      { coverage: { result: [script([range, part])] } },
    ])
    const place = { start: { line: 1, column: 0 }, end: { line: 1, column: 9 } }
    const counted = (path: string, more: object = {}): object => ({
      path,
      statementMap: { 0: place },
      fnMap: { 0: { name: 'f', decl: place, loc: place } },
      branchMap: { 0: { loc: place, type: 'if', locations: [place, place] } },
      s: { 0: 1 },
      f: { 0: 1 },
      b: { 0: [1, 0] },
      ...more,
    })
    const istanbul = async (path: string, more?: object): Promise<unknown> =>
      passed(await call([{ ...meta, coverage: { [path]: counted(path, more) } }]))
    expect(await istanbul(code)).toMatchObject([{ coverage: { [code]: counted(code) } }])
    // Vitest writes it as JSON.
    const ring: { more?: unknown; big: bigint } = { big: 5n }
    ring.more = ring
    expect(JSON.stringify(await istanbul(code, { ring }))).toContain(code)
    for (const more of [
      { statementMap: { 0: null } },
      { statementMap: {} },
      { s: {} },
      { s: { 0: 5n } },
      { fnMap: { 0: {} } },
      { fnMap: { 0: { name: 'f', decl: {}, loc: place } } },
      { fnMap: { 0: { decl: place, loc: place } } },
      { b: { 0: 1 } },
      { branchMap: { 0: { loc: place, locations: [null] } } },
      { f: null },
    ])
      expect(JSON.stringify(await istanbul(code, more))).not.toContain(code)
    expect(JSON.stringify(await istanbul('/etc/x.ts'))).not.toContain('/etc')
    // By such a name, a report in HTML would be written above its directory.
    const above = `/..${code}`
    expect(JSON.stringify(passed(await call([{ ...meta, coverage: { [above]: { path: above } } }])))).not.toContain(
      above,
    )
    const mapped = async (inputSourceMap: object): Promise<unknown> =>
      passed(await call([{ ...meta, coverage: { [code]: counted(code, { inputSourceMap }) } }]))?.[0]
    for (const map of [{ sources: [code] }, { sources: ['a.ts', null], sourceRoot: '' }])
      expect(await mapped(map)).toMatchObject({ coverage: { [code]: { inputSourceMap: map } } })
    // Istanbul's report would show what is there.
    const leading = [
      { sources: ['/etc/passwd'] },
      { sources: [`/..${code}`] },
      { sources: ['../../../x.ts'] },
      { sources: ['a.ts'], sourceRoot: '/etc/' },
      { sections: [{ map: { sources: ['/etc/passwd'] } }] },
      { sources: ['http://x/../../etc/x.ts'] },
      { sources: [1] },
    ]
    for (const map of leading) expect(await mapped(map), JSON.stringify(map)).toMatchObject({ coverage: {} })
    for (const map of leading) expect(JSON.stringify(await mapped(map))).not.toContain('inputSourceMap')
    expect(refusal(await call([{ ...meta, environment: '__proto__', coverage: { result } }]))).toMatch(
      /no Vite environment/,
    )
    expect(refusal(await call([{ ...meta, coverage: '/etc/passwd' }]))).toMatch(/not a file in the directory/)
    const inside = at.write('coverage/.tmp/c.json', JSON.stringify({ result }))
    expect(
      passed(await call([{ ...meta, coverage: inside }], { project: { coverageDir: at.at('coverage/.tmp') } })),
    ).toEqual([{ ...meta, projectName: 'p', coverage: kept[0] }])
    symlinkSync('/etc/passwd', at.at('coverage/.tmp/l.json'))
    expect(
      refusal(
        await call([{ ...meta, coverage: at.at('coverage/.tmp/l.json') }], {
          project: { coverageDir: at.at('coverage/.tmp') },
        }),
      ),
    ).toMatch(/not a file/)
  },
}
