/**
 * The register of what several workers have together: listeners that a whole run shares, ends of pairs. The main thread keeps
 * it; the broker threads, which alone may act on the file system, make what is in it.
 */
import { unlinkSync } from 'node:fs'
import { codeOf } from '../errors.js'
import { OwnedFd } from '../sys/owned-fd.js'
import { isPair, type SharingAnswer, type SharingRequest } from './sharing.js'

/** Ends that wait for whoever acquires the other name. Beyond, the oldest is closed. */
const MOST_PARKED = 16

type SharingReply = (answer: SharingAnswer) => void

interface SharedResource {
  /** Of a listener. */
  listener?: OwnedFd
  path?: string
  file?: string
  /** Ends of a pair that wait for whoever acquires them. */
  readonly parked: { readonly fd: OwnedFd; readonly isFor: (name: string) => boolean }[]
  /** The one that was told to make it, and has not said how it went. */
  maker: Waiter | undefined
  readonly waiting: Waiter[]
}

interface Waiter {
  readonly request: Extract<SharingRequest, { type: 'share' }>
  readonly reply: SharingReply
}

/** For the workers of one project. */
export class SharedResources {
  readonly #entries = new Map<string, SharedResource>()

  /** `onFirst`: from here on there is something to close. */
  constructor(readonly onFirst: () => void = () => {}) {}

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

  /** This worker is gone: it waits for nothing any more, and makes nothing. */
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
    if (this.#entries.size === 0) this.onFirst()
    const made: SharedResource = { parked: [], maker: undefined, waiting: [] }
    this.#entries.set(key, made)
    return made
  }

  #keep(entry: SharedResource, { key, end, fd, path, file }: Extract<SharingRequest, { type: 'made' }>): void {
    if (fd === undefined) return
    if (!isPair(key)) {
      // Two were made where one maker was thought to be gone: the first is in use.
      if (entry.listener !== undefined) return new OwnedFd(fd).close()
      entry.listener = new OwnedFd(fd)
      if (path !== undefined) entry.path = path
      if (file !== undefined) entry.file = file
      return
    }
    // Its maker has the other end: whoever asks by the other name gets this one.
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

  /** When nobody acquires any more. What was bound to a path leaves no file behind. */
  close(): void {
    for (const { listener, path, parked } of this.#entries.values()) {
      listener?.close()
      for (const { fd } of parked) fd.close()
      if (path !== undefined) removeSocket(path)
    }
    this.#entries.clear()
  }
}

function isMaker({ maker }: SharedResource, ask: string): boolean {
  return maker?.request.ask === ask
}

function removeSocket(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    // A test that may write there may have removed it.
    if (codeOf(error) !== 'ENOENT') throw error
  }
}
