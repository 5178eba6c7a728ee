/**
 * Checks fetch of Vitest 3: packages/vite-node/src/server.ts, fetchResult. Vite's part of it is as in later versions;
 * the rest is vite-node's.
 */
import type { Refusal } from '../../policy/event.js'
import { judgeMaps } from './check-maps.js'
import { changed, fetchJudged, noEnvironment, notThere, oddName } from './check-modules.js'
import { judgeModule } from './import-verdict.js'
import { answer, fail, pass, refuse, type Check, type GateWorker, type Replied } from './outcome.js'
import { ANY_MODULE } from './reads.js'
import { textOf } from './values.js'
import { belowRoot, moduleIdOf, pathOfId } from './vite-node.js'
import { walk } from './walk.js'

/** fetch(id, mode). The id is already resolved, unlike the name in later versions. */
export const fetchByVitest3: Check = async (args, worker) => {
  const given = textOf(args[0], "fetch's id")
  const mode = textOf(args[1], "fetch's mode")
  const environment = worker.environment(mode)
  if (environment === undefined) return refuse(noEnvironment(mode))
  const url = moduleIdOf(given)
  const odd = oddName(given, url)
  if (odd !== undefined) return refuse(odd)
  const call = [url, mode]
  const { isBuiltin, path } = pathOfId(url, worker.project.root)
  if (isBuiltin) return pass(call)
  // vite-node waits until a file of the cache exists, and ends the whole run if it does not appear soon. It takes any name
  // for one that contains the directory's.
  if (url.startsWith('data:')) return answer({ externalize: url })
  const { depsCache, root } = worker.project
  if (depsCache !== '' && url.includes(depsCache) && walk(belowRoot(url, root)).kind !== 'file')
    return fail(notThere(url, undefined))
  worker.asks(environment.reads, ANY_MODULE)
  const id = await environment.resolve(url, undefined)
  if (id === undefined) return pass(call)
  // vite-node itself looks at the file of this name, to see if Node could import it.
  const verdict = judgeModule(path, worker)
  if (verdict.by === 'nobody' && 'refused' in verdict) return refuse(verdict.refused)
  const check = async (result: unknown): Promise<Replied> => {
    // Vite resolved the id once more, and keeps the result.
    const loaded = await environment.resolve(url, undefined)
    if (loaded === id || loaded === undefined) return { result }
    const refused = refusalOf(loaded, worker)
    return refused === undefined ? { result } : { refused }
  }
  return fetchJudged({ call, url, importer: undefined, environment, id, check }, worker)
}

/** The reason why Vite may not load this module by itself; undefined if it may. */
function refusalOf(id: string, worker: GateWorker): Refusal | undefined {
  const verdict = judgeModule(id, worker)
  if (verdict.by === 'nobody' && 'refused' in verdict) return verdict.refused
  if (verdict.by !== 'vite') return changed(id)
  const maps = judgeMaps(id, worker)
  return maps.is === 'refused' ? maps.refused : undefined
}
