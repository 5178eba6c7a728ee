/**
 * The register of resources that several workers share: listeners of a whole run, ends of pairs. The main thread keeps
 * it; the broker threads, which alone may act on the file system, make the resources.
 */
import { OwnedFd } from '../sys/owned-fd.js'
import { SocketFile } from '../sys/socket-file.js'
import { isPair, type SharingAnswer, type SharingRequest } from './sharing.js'

/** Ends of a pair that wait for the other name to be acquired. Beyond, the oldest is closed. */
const MOST_PARKED = 16

type SharingReply = (answer: SharingAnswer) => void

interface SharedResource {
  /** The listener, the identity of the file at its path, and that file. */
  listener?: OwnedFd
  file?: string
  bound?: SocketFile | undefined
  /** Ends of a pair that wait to be acquired. */
  readonly parked: { readonly fd: OwnedFd; readonly isFor: (name: string) => boolean }[]
  /** The worker that was told to make it, and has not reported yet. */
  maker: Waiter | undefined
  readonly waiting: Waiter[]
}

interface Waiter {
  readonly request: Extract<SharingRequest, { type: 'share' }>
  readonly reply: SharingReply
}

/** The shared resources of the workers of one project. */
export class SharedResources {
  readonly #entries = new Map<string, SharedResource>()

  receive(request: SharingRequest, reply: SharingReply): void {
    const entry = this.#entryOf(request.key)
    switch (request.type) {
      case 'share':
        entry.waiting.push({ request, reply })
        break
      case 'made':
        if (isMaker(entry, request.ask)) entry.maker = undefined
        this.#keep(entry, request)
        break
      case 'unwanted':
        if (request.fd !== 'make') new OwnedFd(request.fd).close()
        else if (isMaker(entry, request.ask)) entry.maker = undefined
        break
      default:
        request satisfies never
    }
    this.#serve(entry)
  }

  /** Removes a worker that is gone: it waits for nothing any more, and makes nothing. */
  left(reply: SharingReply): void {
    for (const entry of this.#entries.values()) {
      if (entry.maker?.reply === reply) entry.maker = undefined
      for (const waiter of entry.waiting.splice(0)) if (waiter.reply !== reply) entry.waiting.push(waiter)
      this.#serve(entry)
    }
  }

  #entryOf(key: string): SharedResource {
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    const made: SharedResource = { parked: [], maker: undefined, waiting: [] }
    this.#entries.set(key, made)
    return made
  }

  #keep(entry: SharedResource, { key, end, fd, path, file }: Extract<SharingRequest, { type: 'made' }>): void {
    if (fd === undefined) return
    if (!isPair(key)) {
      // Two were made because the first maker was believed gone: the first is in use.
      if (entry.listener !== undefined) return new OwnedFd(fd).close()
      entry.listener = new OwnedFd(fd)
      if (file !== undefined) entry.file = file
      if (path !== undefined && file !== undefined) entry.bound = SocketFile.hold(path, file)
      return
    }
    // Its maker has the other end: the worker that asks by the other name gets this one.
    entry.parked.push({ fd: new OwnedFd(fd), isFor: (name) => name !== end })
    if (entry.parked.length > MOST_PARKED) entry.parked.shift()?.fd.close()
  }

  #serve(entry: SharedResource): void {
    for (const waiter of entry.waiting.splice(0)) {
      const {
        request: { ask, key, end },
        reply,
      } = waiter
      const fd = this.#numberFor(entry, end) ?? (entry.maker === undefined ? 'make' : undefined)
      if (fd === undefined) {
        entry.waiting.push(waiter)
        continue
      }
      if (fd === 'make') entry.maker = waiter
      reply({ type: 'shared', ask, key, fd, ...(entry.file === undefined ? {} : { file: entry.file }) })
    }
  }

  #numberFor(entry: SharedResource, end: string): number | undefined {
    if (entry.listener !== undefined) return entry.listener.number
    const index = entry.parked.findIndex(({ isFor }) => isFor(end))
    return index < 0 ? undefined : entry.parked.splice(index, 1)[0]?.fd.release()
  }

  /**
   * Closes everything, when no worker acquires any more, and removes the files of sockets that were bound to a path.
   */
  close(): void {
    for (const { listener, bound, parked } of this.#entries.values()) {
      listener?.close()
      for (const { fd } of parked) fd.close()
      bound?.remove()
    }
    this.#entries.clear()
  }
}

function isMaker({ maker }: SharedResource, ask: string): boolean {
  return maker?.request.ask === ask
}
