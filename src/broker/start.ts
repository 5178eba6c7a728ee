/**
 * The start of a worker, from the fork to the message that it is up: its stages, its listener, its hello, and its check
 * of itself.
 */
import { escapeText } from '../errors.js'
import { CHECKED, INSTALLING, readHello, type Frame } from '../protocol.js'
import { adoptListener, findListener, isListener } from '../sys/adopt.js'
import { Listener } from '../sys/listener.js'
import type { OwnedFd } from '../sys/owned-fd.js'
import { failed } from '../syscalls/outcome.js'
import type { FromBroker } from './messages.js'

interface StartParts {
  readonly pid: number
  /** True if the worker tries known ways out on itself before it is up. */
  readonly checks: boolean
  /** True if only a fatal signal can interrupt a received call: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19. */
  readonly waitKillable: boolean
  readonly post: (message: FromBroker) => void
  /** Called when the worker's calls begin to arrive. */
  readonly listens: (listener: Listener) => void
}

/**
 * The start of one worker, step by step. The worker's messages come as text; if one cannot be right, a method returns
 * what is wrong.
 */
export class Start {
  readonly #parts: StartParts
  #listener: Listener | undefined
  #sameCpu = false
  #up: Extract<FromBroker, { type: 'hello' }> | undefined
  /** True between the worker's message that it installs its filter and its hello. */
  #isInstalling = false
  #isChecking: boolean

  constructor(parts: StartParts) {
    this.#parts = parts
    this.#isChecking = parts.checks
  }

  get hasGreeted(): boolean {
    return this.#up !== undefined
  }

  get isInstalling(): boolean {
    return this.#isInstalling
  }

  /** True until the worker has checked that no way leads out. Its attempts to get out are no incidents. */
  get isChecking(): boolean {
    return this.#isChecking
  }

  stage(text: string): string | undefined {
    if (this.hasGreeted) return this.#isChecking ? this.#checked(text) : undefined
    const stage = text.slice(0, 64)
    this.#isInstalling = stage === INSTALLING
    this.#parts.post({ type: 'stage', stage })
    return undefined
  }

  /** Looks for the listener: the worker may already wait in a call, and so never come to its hello. */
  seek(): void {
    if (!this.#isInstalling || this.#listener !== undefined) return
    const found = findListener(this.#parts.pid)
    if (!failed(found)) this.#listenTo(found)
  }

  /** Takes a descriptor that the worker has sent, on machines where its listener cannot be taken. */
  take(sent: OwnedFd): void {
    if (this.#listener === undefined && isListener(sent)) this.#listenTo(sent)
    else sent.close()
  }

  hello(frame: Frame): string | undefined {
    if (this.hasGreeted) return 'a second hello'
    const hello = readHello(frame)
    if (hello === undefined) return 'a hello that cannot be read'
    if (this.#listener === undefined) {
      const adopted = adoptListener(this.#parts.pid, hello.listener)
      if (failed(adopted)) return `no seccomp listener at the number the worker named: ${adopted.toString()}`
      this.#listenTo(adopted)
    }
    this.#isInstalling = false
    this.#up = { type: 'hello', landlock: hello.landlock, waitKillable: hello.waitKillable, sameCpu: this.#sameCpu }
    return undefined
  }

  /** Called once its hello is answered. */
  welcomed(): void {
    if (!this.#isChecking && this.#up !== undefined) this.#parts.post(this.#up)
  }

  #listenTo(adopted: OwnedFd): void {
    this.#listener = new Listener(adopted, !this.#parts.waitKillable)
    this.#sameCpu = this.#listener.wakeOnSameCpu()
    this.#parts.listens(this.#listener)
  }

  /** Takes the result of the check. No code of the user's has run in the worker yet, so it may be believed. */
  #checked(result: string): string | undefined {
    if (result !== CHECKED) return escapeText(result.slice(0, 500))
    this.#isChecking = false
    this.welcomed()
    return undefined
  }
}
