/** A connection as the output of a worker is one. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach } from 'vitest'

const open: { destroy(): void }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.destroy()
})

/** Both ends: what the worker prints on, and what its reader has. */
export async function outputOfWorker(): Promise<{ worker: Socket; stderr: Socket }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const worker = connect(address.port, '127.0.0.1')
  const [stderr] = await accepted
  server.close()
  open.push(worker, stderr)
  return { worker, stderr }
}
