/** What stands in front of Vite's own methods. */
import { expect, test } from 'vitest'
import type { PlantedSettings } from '../../../src/vitest/gate/planted.js'
import type { ViteEnvironment } from '../../../src/vitest/gate/vite-modules.js'
import { watchEnvironment } from '../../../src/vitest/gate/watched-environment.js'

test('what makes a module gets every argument, also those that another Vite has', async () => {
  const got: unknown[][] = []
  const keep =
    (name: string) =>
    (...args: readonly unknown[]): Promise<null> => {
      got.push([name, ...args])
      return Promise.resolve(null)
    }
  const environment = {
    pluginContainer: { resolveId: keep('resolveId'), load: keep('load'), transform: keep('transform') },
    moduleGraph: { resolveUrl: () => Promise.resolve(['url', '/id.js']) },
    transformRequest: keep('transformRequest'),
  }
  // The casts: what is called here.
  watchEnvironment(environment as unknown as ViteEnvironment, {
    own: () => 'allowed',
    module: () => 'allowed',
    planted: { checkResolving: () => {}, checkCompiling: () => {} } as unknown as PlantedSettings,
  })
  const { pluginContainer } = environment
  await pluginContainer.resolveId('a', 'b', 'c', 'd')
  await pluginContainer.load('/id.js', { withMetadata: true }, 'more')
  await pluginContainer.transform('code', '/id.js', {}, 'more')
  await environment.transformRequest('/id.js', 'more')
  expect(got).toEqual([
    ['resolveId', 'a', 'b', 'c', 'd'],
    ['load', '/id.js', { withMetadata: true }, 'more'],
    ['transform', 'code', '/id.js', {}, 'more'],
    ['transformRequest', '/id.js', 'more'],
  ])
})
