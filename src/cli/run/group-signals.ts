/**
 * Tells if a signal came to this process alone or to its whole process group, which Vitest is in: Ctrl-C and `kill` of
 * a group do that. Node does not say who sent a signal. So there is another process in the group, cat(1), which waits
 * for input that never comes, and a signal of the group ends it.
 *
 * No time is guessed. The kernel signals all of a group while it holds its list of processes, and a fork has to wait for
 * that list. So once the next cat is forked, a signal that this process has got has been sent to the one before, if it
 * was for both. Its input is closed then, and it cannot end for that reason before it has taken the signal. Two signals
 * at the same moment may count as one, as the kernel has it with any two.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { pathToSystem } from '../../broker/system-path.js'

type GroupSignal = 'SIGINT' | 'SIGQUIT'

interface Witness {
  /** The signal that ended it, null if none did, undefined if it could not be started. */
  readonly ended: Promise<NodeJS.Signals | null | undefined>
  letGo(): void
}

export class GroupSignals {
  #witness: Witness | undefined = this.#start()
  /** Signals of the group that nobody has asked about yet. */
  readonly #noted = new Set<NodeJS.Signals>()
  #answered: Promise<unknown> = Promise.resolve()

  /** Of a signal that this process has just got. Undefined if there is nobody to ask. */
  has(signal: GroupSignal): Promise<boolean | undefined> {
    const asked = this.#witness
    if (asked === undefined) return Promise.resolve(undefined)
    this.#witness = this.#start()
    asked.letGo()
    const answer = this.#answered.then(async () => {
      const by = await asked.ended
      // A SIGINT may be heard of before the SIGQUIT that came first.
      if (typeof by === 'string') this.#noted.add(by)
      return by === undefined ? undefined : this.#noted.delete(signal)
    })
    this.#answered = answer
    return answer
  }

  stop(): void {
    this.#witness?.letGo()
    this.#witness = undefined
  }

  #start(): Witness {
    const cat = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'], cwd: '/', env: { PATH: pathToSystem() } })
    const { stdin } = cat
    stdin.on('error', () => stdin.destroy())
    // This process ends without waiting for it, and then it ends as well.
    cat.unref()
    if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref()
    const witness: Witness = {
      ended: once(cat, 'exit').then(
        // The arguments of that event.
        ([, signal]) => signal as NodeJS.Signals | null,
        () => undefined,
      ),
      letGo() {
        stdin.destroy()
        // It may have been stopped along with the group.
        cat.kill('SIGCONT')
      },
    }
    void witness.ended.then((by) => {
      // By a signal that nobody asks about.
      if (this.#witness === witness && typeof by === 'string' && by !== 'SIGINT' && by !== 'SIGQUIT')
        this.#witness = this.#start()
    })
    return witness
  }
}
