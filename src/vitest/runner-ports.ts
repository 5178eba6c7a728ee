/**
 * The TCP ports on which Vitest's own process listens: its API, its UI, the servers of its projects and browsers, and the
 * debugger of Node, by which whoever connects runs code in it.
 */
import inspector from 'node:inspector'
import type { TestProject } from 'vitest/node'
import { isFields } from './gate/values.js'

/** The ports. A running server is asked for its port; a port that is only configured may be taken a moment later. */
export function portsOf(vitest: TestProject['vitest']): readonly number[] {
  const servers: unknown[] = [
    serverOf(vitest),
    ...vitest.projects.flatMap((project) => [serverOf(project), browserOf(project)]),
  ]
  const asked: readonly unknown[] = [vitest.config.api, Reflect.get(vitest.config, 'browser')]
  const configured: unknown[] = asked.flatMap((one) =>
    isFields(one) ? [one.port, isFields(one.api) ? one.api.port : undefined] : [],
  )
  return [...new Set([...servers.flatMap(portsOfServer), ...configured, debuggerPort()])].filter(
    (port): port is number => typeof port === 'number' && port > 0,
  )
}

/** The port of `node --inspect`, or of a debugger that was opened later; undefined while there is none. */
function debuggerPort(): number | undefined {
  const url = inspector.url()
  return url === undefined ? undefined : Number(new URL(url).port)
}

/** Reads the private field, because the getter throws before a project has made its server. */
function serverOf(of: object): unknown {
  return Reflect.get(of, '_vite') ?? Reflect.get(of, '_server')
}

function browserOf(project: object): unknown {
  const browser: unknown = Reflect.get(project, 'browser')
  return typeof browser === 'object' && browser !== null ? Reflect.get(browser, 'vite') : undefined
}

/** The ports of a ViteDevServer: that of `httpServer`, and in `config.server` its own and that of HMR. */
function portsOfServer(server: unknown): unknown[] {
  if (typeof server !== 'object' || server === null) return []
  const http: unknown = Reflect.get(server, 'httpServer')
  const address: unknown =
    typeof http === 'object' && http !== null && 'address' in http && typeof http.address === 'function'
      ? http.address()
      : undefined
  const config: unknown = Reflect.get(server, 'config')
  const options = isFields(config) && isFields(config.server) ? config.server : {}
  const hmr = isFields(options.hmr) ? options.hmr.port : undefined
  return [isFields(address) ? address.port : undefined, isFields(address) ? options.port : undefined, hmr]
}
