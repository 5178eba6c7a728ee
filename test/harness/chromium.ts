/** A real Chromium without a window, driven over its debugging pipe: descriptors 3 and 4, JSON and a NUL for each message. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Where it is; undefined where it is not installed. */
export const chromium =
  process.env.CHROMIUM ??
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((dir) => NAMES.map((name) => join(dir, name)))
    .find((path) => existsSync(path))

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

export class Browser implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #to: Writable
  readonly #home = mkdtempSync(join(tmpdir(), 'chromium-'))
  readonly #waiting = new Map<number, { ok: (result: unknown) => void; bad: (error: Error) => void }>()
  readonly events: Message[] = []
  #listeners = new Set<() => void>()
  #next = 0
  #session = ''

  constructor(path: string) {
    const args = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--remote-debugging-pipe',
      '--no-first-run',
      `--user-data-dir=${this.#home}`,
    ]
    this.#child = spawn(path, [...args, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, HOME: this.#home },
    })
    const [, , , to, from] = this.#child.stdio
    // As asked for by `stdio` above.
    this.#to = to as Writable
    let rest = ''
    const input = from as Readable
    input.setEncoding('utf8')
    input.on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\0')
      rest = parts.pop() ?? ''
      for (const part of parts) this.#take(JSON.parse(part))
    })
  }

  #take(message: Message): void {
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id)
    if (waiting === undefined) {
      this.events.push(message)
      for (const listener of this.#listeners) listener()
    } else if (message.error === undefined) waiting.ok(message.result)
    else waiting.bad(new Error(message.error.message))
  }

  /** One command of the DevTools protocol. */
  send<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#next
    const session = this.#session === '' ? {} : { sessionId: this.#session }
    this.#to.write(`${JSON.stringify({ id, method, params, ...session })}\0`)
    return new Promise((ok, bad) => {
      // The protocol says what each method answers.
      this.#waiting.set(id, { ok: (result) => ok(result as T), bad })
    })
  }

  async happened(method: string): Promise<void> {
    const has = (): boolean => this.events.some((event) => event.method === method)
    while (!has()) {
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          this.#listeners.delete(listener)
          resolve()
        }
        this.#listeners.add(listener)
      })
    }
  }

  /** A page with this size and colours; the milliseconds until it had loaded and drawn. */
  async open(url: string, { width = 1400, height = 900, scheme = 'light' } = {}): Promise<number> {
    if (this.#session === '') {
      const { targetId } = await this.send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' })
      const { sessionId } = await this.send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true })
      this.#session = sessionId
      await Promise.all(
        ['Page.enable', 'Runtime.enable', 'Log.enable', 'Network.enable'].map((method) => this.send(method)),
      )
    }
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
    this.events.length = 0
    const begun = performance.now()
    await this.send('Page.navigate', { url })
    await this.happened('Page.loadEventFired')
    await this.run('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
    return performance.now() - begun
  }

  /** The value of an expression in the page. */
  async run<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send<{
      result: { value: T }
      exceptionDetails?: { text: string; exception?: { description?: string } }
    }>('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }

  async press(key: string, text = ''): Promise<void> {
    const named = { key, code: key, ...(text === '' ? {} : { text }), windowsVirtualKeyCode: KEYS[key] ?? 0 }
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', ...named })
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...named })
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.send<{ data: string }>('Page.captureScreenshot', { format: 'png' })
    return Buffer.from(data, 'base64')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL')
    await gone
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 })
  }
}

const KEYS: Readonly<Record<string, number>> = {
  Enter: 13,
  Escape: 27,
  ArrowDown: 40,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowLeft: 37,
  Tab: 9,
  End: 35,
}
