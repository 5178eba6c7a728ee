/** A port, and what a page of Vitest's needs: HTTP, and a websocket that only listens. */
import { request } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

/** Of localhost, and free when it was asked for. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      // Of a server on an internet address.
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Resolves once a frame of the websocket holds `text`. What the server sends is neither masked nor compressed. */
export async function webSocketSays(
  url: URL,
  headers: Readonly<Record<string, string>>,
  text: string,
): Promise<{ readonly said: Promise<void> } & Disposable> {
  const socket = await new Promise<Duplex>((resolve, reject) => {
    const asked = request(url, {
      headers: {
        ...headers,
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
      },
    })
    asked.once('upgrade', (_response, upgraded) => resolve(upgraded))
    asked.once('response', ({ statusCode }) => reject(new Error(`no websocket, but ${statusCode}`)))
    asked.once('error', reject)
    asked.end()
  })
  let heard = ''
  const said = new Promise<void>((resolve, reject) => {
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      heard += chunk
      if (heard.includes(text)) resolve()
    })
    socket.once('close', () => reject(new Error(`the websocket ended without ${text}`)))
  })
  return { said, [Symbol.dispose]: () => void socket.destroy() }
}
