/** What one worker and its children listen on. */
import type { BytePath } from '../policy/request.js'
import type { OwnAddresses, UnixGrant } from '../syscalls/call.js'

const NONE: ReadonlySet<string> = new Set()

export class Own implements OwnAddresses {
  readonly #internet = new Map<string, Set<string>>()
  readonly #unix = new Map<BytePath, { readonly granted: UnixGrant; readonly file: string }>()
  readonly #abstract = new Set<BytePath>()

  addInternet(protocol: 'tcp' | 'udp', port: number, cookie: string): void {
    const key = `${protocol}:${port}`
    const known = this.#internet.get(key)
    if (known === undefined) this.#internet.set(key, new Set([cookie]))
    else known.add(cookie)
  }

  at(protocol: 'tcp' | 'udp', port: number): ReadonlySet<string> {
    return this.#internet.get(`${protocol}:${port}`) ?? NONE
  }

  uses(protocol: 'tcp' | 'udp'): boolean {
    for (const key of this.#internet.keys()) if (key.startsWith(protocol)) return true
    return false
  }

  addUnix(path: BytePath, granted: UnixGrant, file: string): void {
    this.#unix.set(path, { granted, file })
  }

  boundAt(path: BytePath): { readonly granted: UnixGrant; readonly file: string } | undefined {
    return this.#unix.get(path)
  }

  addAbstract(name: BytePath): void {
    this.#abstract.add(name)
  }

  hasAbstract(name: BytePath): boolean {
    return this.#abstract.has(name)
  }
}
