/** What only Vitest 3 has, or has otherwise. */
import { symlinkSync } from 'node:fs'
import { expect } from 'vitest'
import { ProtocolError } from '../../../src/errors.js'
import { answer } from '../../../src/vitest/gate/outcome.js'
import type { Rows } from './row.js'
import { passed, refusal } from './stand-in.js'

export const onlyIn3: Rows = {
  async fetch(call, at) {
    const [code, data] = [at.write('src/a.ts'), at.write('data.json', '{}')]
    expect(passed(await call([code, 'ssr']))).toEqual([code, 'ssr'])
    expect(await call(['data:text/javascript,1', 'ssr'])).toEqual(answer({ externalize: 'data:text/javascript,1' }))
    expect(passed(await call(['node:fs', 'ssr']))).toEqual(['fs', 'ssr'])
    expect(refusal(await call([data, 'ssr']))).toBe(`read ${data}`)
    expect(passed(await call([data, 'ssr'], { read: ['data.json'] }))).toBeDefined()
    // Every spelling that vite-node understands, however often.
    for (const spelled of [
      `/@fs${data}`,
      `/@fs//@fs${data}`,
      `file://${data}`,
      `//${data}`,
      `node:${data}`,
      `node:/@fs${data}`,
    ]) {
      expect(refusal(await call([spelled, 'ssr'])), spelled).toBe(`read ${data}`)
    }
    expect(refusal(await call([data.replaceAll('/', '\\'), 'ssr']))).toMatch(/no plain name/)
    // vite-node takes a name from the root as well, and looks at what lies there.
    expect(refusal(await call(['/data.json', 'ssr']))).toBe(`read ${data}`)
    // It would wait for this file, and end the run after five seconds.
    const depsCache = 'node_modules/.vite/vitest'
    const elsewhere = at.write(`out/${depsCache}/there.js`)
    for (const cached of [`/x/${depsCache}/deps/gone.js`, elsewhere])
      expect(await call([cached, 'ssr'], { project: { depsCache, root: at.at('src') } })).toMatchObject({
        to: 'worker',
        reply: { failed: expect.objectContaining({ code: 'ERR_LOAD_URL' }) },
      })
    expect(refusal(await call([code, '__proto__']))).toMatch(/no Vite environment/)
    await expect(call([code, undefined])).rejects.toThrow(ProtocolError)
  },
  async resolveId(call, at) {
    const outcome = await call(['/etc/passwd', undefined, 'ssr'])
    const seen = async (id: string) => outcome.to === 'vitest' && outcome.after?.({ id })
    expect(await seen('/etc/passwd')).toEqual({ result: null })
    expect(await seen(at.write('src/a.ts'))).toMatchObject({ result: { id: at.at('src/a.ts') } })
    expect(refusal(await call(['x', undefined, 'web']))).toMatch(/no Vite environment/)
  },
  async getSourceMap(call) {
    expect(refusal(await call(['/etc/passwd', true]))).toMatch(/no worker of Vitest 3/)
  },
  async onTaskAnnotate(call, at) {
    const secret = at.write('secret.txt')
    const annotation = (path: string) => ({ message: 'm', type: 'notice', attachment: { path } })
    expect(refusal(await call(['own_0', annotation('secret.txt')]))).toBe(`read ${secret}`)
    expect(passed(await call(['own_0', annotation('secret.txt')], { read: ['secret.txt'] }))).toBeDefined()
    expect(passed(await call(['own_0', { message: 'm', attachment: { body: 'b' } }]))).toBeDefined()
    const odd = { message: 'm', type: 'error', location: { file: 5, line: 1, column: 1 }, other: 1 }
    expect(passed(await call(['own_0', odd]))).toEqual(['own_0', { message: 'm', type: 'error' }])
    expect(refusal(await call(['other_0', { message: 'm' }]))).toMatch(/none of this worker/)
  },
  async onAfterSuiteRun(call, at) {
    const code = at.write('src/a.ts')
    symlinkSync('/etc/passwd', at.at('src/l.ts'))
    // vite-node gives a plugin's module the address of a file, with the NUL in it.
    const result = [code, at.at('src/l.ts'), '/etc/x.ts', '/%00vite/helper.js'].map((path) => ({
      url: `file://${path}`,
      functions: [],
    }))
    const meta = { transformMode: 'ssr', testFiles: ['test/own.test.ts'], projectName: 'forged' }
    expect(passed(await call([{ ...meta, coverage: { result } }]))).toEqual([
      { transformMode: 'ssr', testFiles: ['test/own.test.ts'], projectName: 'p', coverage: { result: [result[0]] } },
    ])
    expect(refusal(await call([{ ...meta, transformMode: '__proto__', coverage: { result } }]))).toMatch(
      /no Vite environment/,
    )
    expect(refusal(await call([{ ...meta, coverage: '/etc/passwd' }]))).toMatch(/not a file in the directory/)
  },
}
