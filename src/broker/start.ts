/** From the fork to the worker's word that it is up: its stages, its listener, its hello, and its check of itself. */
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
  /** True if the kernel keeps a call whole once it is received: Linux 5.19. */
  readonly waitKillable: boolean
  readonly post: (message: FromBroker) => void
  /** From here on the worker's calls come in. */
  readonly listens: (listener: Listener) => void
}

/** The start of one worker, step by step. Its words come as text; where they cannot be right, a method returns what is wrong. */
export class Start {
  readonly #parts: StartParts
  #listener: Listener | undefined
  #sameCpu = false
  #up: Extract<FromBroker, { type: 'hello' }> | undefined
  /** Between the worker's word that it installs its filter and its hello. */
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

  /** Until the worker has seen that nothing leads out: what it tries for that is no incident. */
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

  /** The worker may wait in a call already, and so never come to its hello. */
  seek(): void {
    if (!this.#isInstalling || this.#listener !== undefined) return
    const found = findListener(this.#parts.pid)
    if (!failed(found)) this.#listenTo(found)
  }

  /** Takes a descriptor that the worker has sent, where its listener cannot be taken. */
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

  /** Its hello was answered. */
  welcomed(): void {
    if (!this.#isChecking && this.#up !== undefined) this.#parts.post(this.#up)
  }

  #listenTo(adopted: OwnedFd): void {
    this.#listener = new Listener(adopted, !this.#parts.waitKillable)
    this.#sameCpu = this.#listener.wakeOnSameCpu()
    this.#parts.listens(this.#listener)
  }

  /** Nothing of the user's has run in the worker yet, so it may be believed. */
  #checked(result: string): string | undefined {
    if (result !== CHECKED) return escapeText(result.slice(0, 500))
    this.#isChecking = false
    this.welcomed()
    return undefined
  }
}
