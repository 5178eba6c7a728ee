/** The module that gets the content which the gate provides. */
import { expect, test } from 'vitest'
import { ownName, serveContent, type ViteEnvironment } from '../../../src/vitest/gate/vite-modules.js'

const OWN = '/root/out/own/late.mjs'

async function served(found: string): Promise<unknown> {
  const module = { id: found, transformResult: null as unknown }
  const environment = {
    config: { dev: { moduleRunnerTransform: false } },
    pluginContainer: { transform: (code: string) => Promise.resolve({ code, map: null }) },
    moduleGraph: {
      ensureEntryFromUrl: () => Promise.resolve(module),
      updateModuleTransformResult: (to: typeof module, result: unknown) => void (to.transformResult = result),
    },
  }
  const content = { id: OWN, source: 'own', as: 'script', version: '1' } as const
  // The cast: what is called here.
  const watched = { environment: environment as unknown as ViteEnvironment, reads: undefined as never, mark: () => {} }
  await serveContent(watched, '/out/link/late.mjs', content).catch((error: Error) => error.message)
  return module.transformResult
}

test('the module that was judged gets the content', async () => {
  expect(await served(OWN)).toEqual({ code: 'own', map: null })
})

test('another module does not, to which the name leads by then', async () => {
  expect(await served('/root/src/late.mjs')).toBe(null)
})

test.each([
  ['/src/a.mjs', '/root/src/a.mjs', '/src/a.mjs'],
  ['/src/a?n=1', '/root/src/a.mjs?n=1', '/src/a?n=1'],
  ['/src/dir', '/root/src/dir/index.mjs', '/src/dir/index.mjs'],
  ['/root/test/a.test.mjs', '/root/test/a.test.mjs', '/root/test/a.test.mjs'],
  ['/@fs/root/src/a.mjs', '/root/src/a.mjs', '/@fs/root/src/a.mjs'],
  ['./a.mjs', '/root/src/a.mjs', './a.mjs'],
  ['/@id/__x00__virtual', '\0virtual', '/@id/__x00__virtual'],
  ['/out/link/a.mjs', '/root/src/a.mjs', '/src/a.mjs'],
  ['/root/out/link/a.mjs?n=1', '/root/src/a.mjs?n=1', '/src/a.mjs?n=1'],
  ['/src', '/root/src2/a.mjs', '/src2/a.mjs'],
])('Vite is asked for %s, which leads to %s, by %s', (url, id, name) => {
  // The cast: what is used here.
  expect(ownName({ config: { root: '/root' } } as unknown as ViteEnvironment, url, id)).toBe(name)
})
