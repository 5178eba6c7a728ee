/**
 * The TCP ports on which Vitest's own process listens: its API, its UI, the servers of its projects and browsers, and the
 * debugger of Node, by which whoever connects runs code in it.
 */
import inspector from 'node:inspector'
import { Server } from 'node:net'
import type { TestProject } from 'vitest/node'
import { codeOf, WorkerStartError } from '../errors.js'
import { LISTENING_MS } from '../limits.js'
import { isFields } from './gate/values.js'
import { thisVitest } from './versions/running.js'

/** The ports. A running server is asked for its port; a port that is only configured may be taken a moment later. */
export function portsOf(vitest: TestProject['vitest']): readonly number[] {
  const servers: unknown[] = [
    serverOf(vitest),
    ...vitest.projects.flatMap((project) => [serverOf(project), browserOf(project)]),
  ]
  const configs = [vitest.config, ...vitest.projects.map(({ config }) => config)]
  const configured = configs.flatMap(({ api, browser }) => [
    api?.port,
    ...(browser?.enabled === true ? [browser.api.port] : []),
  ])
  return [...new Set([...servers.flatMap(portsOfServer), ...configured, debuggerPort()])].filter(
    (port): port is number => typeof port === 'number' && port > 0,
  )
}

/** The port of `node --inspect`, or of a debugger that was opened later; undefined while there is none. */
function debuggerPort(): number | undefined {
  const url = inspector.url()
  return url === undefined ? undefined : Number(new URL(url).port)
}

/** Before Vitest 5, the private field: the getter throws before a project has made its server. */
function serverOf(of: object): unknown {
  return Reflect.get(of, '_vite') ?? Reflect.get(of, '_server') ?? Object.getOwnPropertyDescriptor(of, 'vite')?.value
}

/**
 * Waits for a server of Vitest's that is about to listen: only then its port is known, which may be another than the
 * config's. Throws a WorkerStartError if it does not come to that.
 */
export async function untilListening(vitest: TestProject['vitest']): Promise<void> {
  const server: unknown = Reflect.get(Object(thisVitest.listensSoon(vitest)), 'httpServer')
  if (!(server instanceof Server) || server.listening) return
  await new Promise<void>((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer)
      for (const event of ['listening', 'close']) server.off(event, end)
      server.off('error', failed)
      resolve()
    }
    // Vite tries the next port where one is taken, and gives up at any other error.
    const failed = (error: unknown): void => {
      if (codeOf(error) !== 'EADDRINUSE') end()
    }
    const timer = setTimeout(() => {
      reject(new WorkerStartError("Vitest's API", 'it does not listen'))
      end()
    }, LISTENING_MS)
    for (const event of ['listening', 'close']) server.on(event, end)
    server.on('error', failed)
    // Vitest waits for whatever is about to start, and closes no server that does not listen.
    vitest.onClose(end)
  })
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
