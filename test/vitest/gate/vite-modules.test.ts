/** The module that gets the content which the gate provides. */
import { expect, test } from 'vitest'
import { serveContent, type ViteEnvironment } from '../../../src/vitest/gate/vite-modules.js'

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
