/** Which files a worker opens by base grants, told in lots: what the module table is to have the content of. */
import type { BytePath } from '../policy/request.js'
import type { Finding } from '../syscalls/call.js'

const LOT = 32
/** Nobody needs more; a worker that opens ever new files fills nothing. */
const MOST = 20_000

export class BaseReads {
  readonly #known = new Set<BytePath>()
  #untold: BytePath[] = []

  constructor(readonly tell: (paths: readonly BytePath[]) => void) {}

  note(finding: Finding): void {
    if (finding.kind !== 'used' || finding.request.kind !== 'path' || finding.request.access !== 'read') return
    const { path } = finding.request
    if (finding.granted.rule === undefined || !('reason' in finding.granted.rule) || this.#known.has(path)) return
    if (this.#known.size >= MOST) return
    this.#known.add(path)
    this.#untold.push(path)
    if (this.#untold.length >= LOT) this.flush()
  }

  flush(): void {
    if (this.#untold.length > 0) this.tell(this.#untold)
    this.#untold = []
  }
}
