/** Reports the files that a worker opens by base grants, in batches, so that the module table gets their content. */
import type { AccessOutcome } from '../policy/event.js'
import type { BytePath } from '../policy/request.js'

const LOT = 32
/**
 * The bound on remembered files, far above what a worker needs: a worker that opens ever new files cannot fill memory.
 */
const MOST = 20_000

export class BaseReads {
  readonly #known = new Set<BytePath>()
  #untold: BytePath[] = []

  constructor(readonly tell: (paths: readonly BytePath[]) => void) {}

  note(outcome: AccessOutcome): void {
    if (outcome.outcome !== 'allowed' || outcome.basis !== 'base') return
    const { request } = outcome
    if (request.kind !== 'path' || request.access !== 'read') return
    const { path } = request
    if (this.#known.has(path) || this.#known.size >= MOST) return
    this.#known.add(path)
    this.#untold.push(path)
    if (this.#untold.length >= LOT) this.flush()
  }

  flush(): void {
    if (this.#untold.length > 0) this.tell(this.#untold)
    this.#untold = []
  }
}
