/** What stands in front of Vite's own methods. */
import { expect, test } from 'vitest'
import type { PlantedSettings } from '../../../src/vitest/gate/planted.js'
import type { ViteEnvironment } from '../../../src/vitest/gate/vite-modules.js'
import { watchEnvironment } from '../../../src/vitest/gate/watched-environment.js'

test('what makes a module gets every argument, also those that another Vite has', async () => {
  const got: unknown[][] = []
  const keep =
    (name: string) =>
    (...args: readonly unknown[]): Promise<{ code: string }> => {
      got.push([name, ...args])
      return Promise.resolve({ code: '' })
    }
  const environment = {
    config: { css: { transformer: 'postcss' } },
    pluginContainer: { resolveId: keep('resolveId'), load: keep('load'), transform: keep('transform') },
    moduleGraph: { idToModuleMap: new Map(), resolveUrl: () => Promise.resolve(['url', '/id.js']) },
    transformRequest: keep('transformRequest'),
  }
  // The casts: what is called here.
  watchEnvironment(environment as unknown as ViteEnvironment, {
    own: () => 'allowed',
    module: () => 'allowed',
    planted: { checkResolving: () => {}, checkCompiling: () => {} } as unknown as PlantedSettings,
    hide: (code) => code,
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

test('what a style sheet imports is judged once Vite has noted it, where it was read by a thread', async () => {
  const nothing = (): Promise<null> => Promise.resolve(null)
  const importedModules = [{ file: '/outside/a.css' }, { file: '/outside/a.png' }, { file: null }]
  for (const transformer of ['lightningcss', 'postcss']) {
    const asked: string[] = []
    const environment = {
      config: { css: { transformer } },
      pluginContainer: { resolveId: nothing, load: nothing, transform: () => Promise.resolve({ code: '' }) },
      moduleGraph: {
        idToModuleMap: new Map(),
        getModuleById: () => ({ importedModules: new Set(importedModules) }),
      },
      transformRequest: nothing,
    }
    // The casts: what is called here.
    watchEnvironment(environment as unknown as ViteEnvironment, {
      own: (path) => (asked.push(path), 'refused'),
      module: () => 'allowed',
      planted: { checkCompiling: () => {} } as unknown as PlantedSettings,
      hide: (code) => code,
    })
    const made = Promise.resolve(Reflect.apply(environment.pluginContainer.transform, undefined, ['', '/src/a.css']))
    if (transformer === 'postcss') await made
    else await expect(made).rejects.toThrow(/EACCES/)
    expect(asked).toEqual(transformer === 'postcss' ? [] : ['/outside/a.css'])
  }
})

test('a module that was made before is made anew for a worker, once', () => {
  const old = { transformResult: { code: 'old' } as object | null, lastInvalidationTimestamp: 0 }
  const idToModuleMap = new Map([['/old.js', old]])
  const nothing = (): Promise<null> => Promise.resolve(null)
  const environment = {
    config: { css: { transformer: 'postcss' } },
    pluginContainer: { resolveId: nothing, load: nothing, transform: nothing },
    moduleGraph: { idToModuleMap, getModuleById: (id: string) => idToModuleMap.get(id) },
    transformRequest: nothing,
  }
  // The casts: what is called here.
  const { reads } = watchEnvironment(environment as unknown as ViteEnvironment, {
    own: () => 'allowed',
    module: () => 'allowed',
    planted: {} as unknown as PlantedSettings,
    hide: (code) => code,
  })
  reads.ask('/none.js', () => 'allowed')
  expect(old.transformResult).toEqual({ code: 'old' })
  reads.ask('/old.js', () => 'allowed')
  expect(old.transformResult).toBe(null)
  expect(old.lastInvalidationTimestamp).toBeGreaterThan(0)
  old.transformResult = { code: 'new' }
  reads.ask('/old.js', () => 'allowed')
  expect(old.transformResult).toEqual({ code: 'new' })
})

test('settings are checked for the names that plugins of Vite resolve by containers of their own', async () => {
  const config = {}
  class Container {
    constructor(readonly environment: { readonly getTopLevelConfig: () => object }) {}
    readonly load = (): Promise<null> => Promise.resolve(null)
    readonly transform = this.load
    resolveId(id: string): Promise<string> {
      return Promise.resolve(id)
    }
  }
  const getTopLevelConfig = (): object => config
  const environment = {
    config: { css: { transformer: 'postcss' } },
    getTopLevelConfig,
    pluginContainer: new Container({ getTopLevelConfig }),
    moduleGraph: { idToModuleMap: new Map() },
    transformRequest: () => Promise.resolve(null),
  }
  const checked: string[] = []
  // The casts: what is called here.
  watchEnvironment(environment as unknown as ViteEnvironment, {
    own: () => 'allowed',
    module: () => 'allowed',
    planted: { checkResolving: (id: string) => void checked.push(id) } as unknown as PlantedSettings,
    hide: (code) => code,
  })
  await environment.pluginContainer.resolveId('a')
  expect(await new Container({ getTopLevelConfig }).resolveId('b')).toBe('b')
  await new Container({ getTopLevelConfig: () => ({}) }).resolveId('c')
  expect(checked).toEqual(['a', 'b'])
})
