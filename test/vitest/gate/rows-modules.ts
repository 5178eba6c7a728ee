/** Which modules a worker makes Vite load. */
import { expect } from 'vitest'
import { ProtocolError } from '../../../src/errors.js'
import type { GateEnvironment } from '../../../src/vitest/gate/project.js'
import { ModuleReads } from '../../../src/vitest/gate/reads.js'
import { own, type Rows } from './row.js'
import { answered, passed, refusal } from './stand-in.js'

export const modules: Rows = {
  async fetch(call, at) {
    const [code, data] = [at.write('src/a.ts'), at.write('data.json', '{}')]
    expect(passed(await call([code, undefined, 'ssr', { cached: true, x: 1 }]))).toEqual([
      code,
      undefined,
      'ssr',
      { cached: true },
      undefined,
    ])
    expect(passed(await call(['data:text/javascript,1', undefined, 'ssr']))).toBeDefined()
    expect(refusal(await call([data, undefined, 'ssr']))).toBe(`read ${data}`)
    expect(passed(await call([data, undefined, 'ssr'], { read: ['data.json'] }))).toBeDefined()
    expect(refusal(await call([code, undefined, '__proto__']))).toMatch(/no Vite environment/)
    await expect(call([5, undefined, 'ssr'])).rejects.toThrow(ProtocolError)
    // An error may quote what another worker had read for the module.
    const environment = (): GateEnvironment => ({
      name: 'ssr',
      reads: Object.assign(new ModuleReads(), { of: () => new Set([data]) }),
      resolve: () => Promise.resolve(code),
      nameOf: (url) => url,
      load: () => Promise.resolve(undefined),
      plainly: () => Promise.resolve(undefined),
      serve: () => Promise.resolve(),
    })
    const error = new Error('it quotes')
    const failed = async (read: readonly string[]): Promise<unknown> => {
      const outcome = await call([code, undefined, 'ssr'], { read, project: { environment } })
      return outcome.to === 'vitest' && outcome.failed?.(error)
    }
    expect(await failed(['data.json'])).toBe(error)
    expect(String(await failed([]))).toBe(`Error: ${code} cannot be made of what was read from ${data}`)
  },
  async resolve(call, at) {
    const outcome = await call(['/etc/passwd', undefined, 'ssr'])
    expect(outcome).toMatchObject({ to: 'vitest' })
    const seen = (id: string): unknown => outcome.to === 'vitest' && outcome.after?.({ id, file: id })
    expect(seen('/etc/passwd')).toEqual({ result: null })
    expect(seen('/proc/self/environ')).toEqual({ result: null })
    expect(seen(at.write('src/a.ts'))).toMatchObject({ result: { id: at.at('src/a.ts') } })
    expect(seen('node:fs')).toMatchObject({ result: { id: 'node:fs' } })
    expect(refusal(await call(['x', undefined, 'client']))).toMatch(/no Vite environment/)
  },
  async fetchWarmModules(call, at) {
    const [code, data, cached] = [at.write('src/a.ts'), at.write('data.json'), at.write('cache/x', 'code')]
    const outcome = await call(['ssr', [own(at), '/other.test.ts']])
    expect(passed(outcome)).toEqual(['ssr', [own(at)]])
    const warm = {
      [code]: { cached: true, id: code, tmp: cached },
      [data]: { cached: true, id: data, tmp: cached },
      [`${code}?x`]: { cached: true, id: code, tmp: at.at('cache/gone') },
      '/x.js': { externalize: 'file:///x.js' },
    }
    expect(outcome.to === 'vitest' && outcome.after?.(warm)).toEqual({
      result: { [code]: { id: code, code: 'code' }, '/x.js': warm['/x.js'] },
    })
  },
  async prewarmModuleGraph(call) {
    expect(answered(await call(['ssr', ['/etc/passwd']]))).toBeUndefined()
  },
  async transform(call) {
    expect(refusal(await call(['file:///etc/passwd']))).toMatch(/vm pools/)
  },
  async ensureModuleGraphEntry(call, at) {
    const code = at.write('src/a.ts')
    expect(refusal(await call([code, code]))).toMatch(/without Vite/)
    const project = { viteModuleRunner: false }
    expect(passed(await call([code, code], { project }))).toEqual([code, code])
    expect(passed(await call(['/etc/passwd', code], { project }))).toBeUndefined()
  },
  async onTestModuleDependencies(call, at) {
    const code = at.at('src/a.ts')
    const known = [code, `${code}?raw`, 'node:fs', '\0of-a-plugin']
    const odd = ['/net/host/a.ts', `${at.root}/../../net/a.ts`, '\\net\\a.ts', `${at.root}/\\..\\..\\net`, 'c:/net']
    expect(passed(await call([own(at), [...known, ...odd]]))).toEqual([own(at), [own(at), ...known]])
    expect(refusal(await call(['/other.test.ts', []]))).toMatch(/is not a test file of this worker/)
    await expect(call([own(at), [{}]])).rejects.toThrow(ProtocolError)
  },
}
