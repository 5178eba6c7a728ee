/** Resolves a URL to a module in the same steps as Vitest, and makes a module of given content. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, isAbsolute, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { distDir, type TestProject } from 'vitest/node'
import { isRemote, splitId } from './module-id.js'
import type { ModuleContent } from './project.js'
import { isFields } from './values.js'
import type { Watched } from './watched-environment.js'

export type ViteEnvironment = TestProject['vite']['environments'][string]

export function environmentNamed({ vite }: TestProject, name: string): ViteEnvironment | undefined {
  return Object.hasOwn(vite.environments, name) ? vite.environments[name] : undefined
}

/**
 * ModuleFetcher.fetch of Vitest 4, ModuleTransformService.fetch of 5. Undefined for URLs that they never pass to Vite.
 */
export async function resolveAsVitest(
  environment: ViteEnvironment,
  url: string,
  importer: string | undefined,
): Promise<string | undefined> {
  if (url.startsWith('data:') || url === '/@vite/client' || url === '@vite/client' || isRemote(url)) return undefined
  const [, id] = await environment.moduleGraph.resolveUrl(await fullUrl(environment, url, importer))
  return id
}

/** The name by which Vitest 4 and 5 ask Vite for a module. */
export async function fullUrl(
  environment: ViteEnvironment,
  url: string,
  importer: string | undefined,
): Promise<string> {
  return unwrapId(await urlOf(environment, url, importer))
}

/**
 * The name to ask Vite by for a module: the file's own, where a name leads to the file by another way, such as a link. The
 * first name is everybody's for that module, and what it imports by a name that it makes up is looked for beside it.
 */
export function ownName(environment: ViteEnvironment, url: string, id: string): string {
  const { path } = splitId(id)
  if (!url.startsWith('/') || !isAbsolute(path)) return url
  const asked = splitId(unwrapId(url)).path
  const places = [asked, join(environment.config.root, asked), asked.replace(/^\/@fs\//, '/')]
  // Vite adds an ending.
  const isPlain = places.some((place) => path === place || path.startsWith(`${place}.`))
  return isPlain ? url : asUrl(environment, id)
}

async function urlOf(environment: ViteEnvironment, url: string, importer: string | undefined): Promise<string> {
  if (url.startsWith('/')) return url
  const resolved = await environment.pluginContainer.resolveId(url, importer)
  return resolved === null ? url : asUrl(environment, resolved.id)
}

/** packages/vitest/src/node/environments/normalizeUrl.ts */
function asUrl(environment: ViteEnvironment, id: string): string {
  const { root } = environment.config
  if (id.startsWith(root.endsWith('/') ? root : `${root}/`)) return id.slice(root.length)
  const isFile = id !== '/@react-refresh' && isAbsolute(id) && existsSync(splitId(id).path)
  const url = isFile || environment.depsOptimizer?.isOptimizedDepFile(id) === true ? join('/@fs/', id) : id
  return url.startsWith('.') || url.startsWith('/') ? url : wrapId(id)
}

/** Vite: src/shared/utils.ts. */
function wrapId(id: string): string {
  return id.startsWith('/@id/') ? id : `/@id/${id.replace('\0', '__x00__')}`
}

function unwrapId(id: string): string {
  return id.startsWith('/@id/') ? id.slice('/@id/'.length).replace('__x00__', '\0') : id
}

export async function loadByPlugin(environment: ViteEnvironment, id: string): Promise<string | undefined> {
  const loaded: unknown = await environment.pluginContainer.load(id)
  const code = isFields(loaded) ? loaded.code : loaded
  return typeof code === 'string' ? code : undefined
}

const TYPES = new Set(['.ts', '.tsx', '.jsx', '.js', '.json'])
const SAME: { readonly [ext: string]: string } = { '.mts': 'ts', '.cts': 'ts', '.mjs': 'js', '.cjs': 'js' }

/** Converts a text for a module runner, without a plugin. Throws Vite's error if it is no JavaScript. `map`: JSON in base64. */
export async function forRunner(text: string, url: string): Promise<{ readonly code: string; readonly map: string }> {
  const transform = await moduleRunnerTransform()
  const result = await transform(text, null, url, text)
  if (result === null) throw new Error(`${url} became no module`)
  return { code: result.code.trimEnd(), map: Buffer.from(JSON.stringify(result.map)).toString('base64') }
}

// Apart, or tools would take the lines below for maps of this file.
const MAPPED_BY = ['source', 'Mapping', 'URL'].join('')

/** The code as a module runner takes it, with its map. `by` and `type`: the marks by which that runner knows it. */
export function withMap(
  { code, map }: { readonly code: string; readonly map: string },
  by: string,
  type: string,
): string {
  return `${code}\n//# sourceMappingSource=${by}\n//# ${MAPPED_BY}=data:application/json;${type}base64,${map}\n`
}

/** The version of the content from which a module was last made. */
const made = new WeakMap<object, string>()

/**
 * Makes a module of content, as Vite's loadAndTransform does after it has read the file:
 * src/node/server/transformRequest.ts.
 */
export async function serveContent(
  { environment, mark }: Watched,
  url: string,
  { id, source, as, version }: ModuleContent,
): Promise<void> {
  const module = await environment.moduleGraph.ensureEntryFromUrl(url)
  // A test may have turned a link since the name was resolved: another module would then have this content, for everybody.
  if (module.id !== id) throw new Error(`${id} became another file while Vitest loaded it`)
  if (module.transformResult !== null && made.get(module) === version) return
  const ext = extname(splitId(id).path)
  const moduleType =
    as === 'raw' ? 'js' : as === 'style' ? 'css' : (SAME[ext] ?? (TYPES.has(ext) ? ext.slice(1) : 'js'))
  // Only Vite 8 has this option.
  const options = { moduleType } as Parameters<typeof environment.pluginContainer.transform>[2]
  const { code, map } = await environment.pluginContainer.transform(source, id, options)
  // Vitest 3 requests modules for pages as for a browser, and converts them for Node itself.
  const isForRunner = environment.config.dev.moduleRunnerTransform
  const result = isForRunner
    ? await (
        await moduleRunnerTransform()
      )(code, relativeMap(map, id), url, source)
    : ({ code, map: relativeMap(map, id) } as TransformResult)
  mark(id, result)
  // doTransform does the same: otherwise Vite would take the invalidation for one that came after this result. The
  // property is internal, so it is not in the types.
  Reflect.set(module, 'invalidationState', undefined)
  environment.moduleGraph.updateModuleTransformResult(module, result)
  made.set(module, version)
}

function relativeMap(map: unknown, id: string): unknown {
  const parsed: unknown = typeof map === 'string' ? JSON.parse(map) : map
  if (!(parsed instanceof Object) || !('sources' in parsed) || !Array.isArray(parsed.sources)) return parsed
  const dir = dirname(splitId(id).path)
  parsed.sources = parsed.sources.map((path: unknown) =>
    typeof path === 'string' && isAbsolute(path) ? relative(dir, path) : path,
  )
  return parsed
}

type TransformResult = Parameters<ViteEnvironment['moduleGraph']['updateModuleTransformResult']>[1]
type Transform = (code: string, map: unknown, url: string, original: string) => Promise<TransformResult>
let loading: Promise<Transform> | undefined

/** The function of the Vite that this Vitest uses; Vite is no dependency of this package. */
function moduleRunnerTransform(): Promise<Transform> {
  loading ??= load()
  return loading
}

/** The path of the Vite that this Vitest uses. */
export function viteModule(): string {
  return createRequire(join(distDir, 'index.js')).resolve('vite')
}

async function load(): Promise<Transform> {
  const vite: unknown = await import(pathToFileURL(viteModule()).href)
  // A module namespace has no prototype, so it is no `instanceof Object`.
  const transform = isFields(vite) ? vite.moduleRunnerTransform : undefined
  if (typeof transform !== 'function') throw new TypeError('this version of Vite has no moduleRunnerTransform')
  // Vite 6 and later export it with these parameters.
  return transform as Transform
}
