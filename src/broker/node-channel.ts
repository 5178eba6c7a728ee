/** Hands workers' sockets to a client that Node's own channel reaches: the parent of the broker process. */
import { Socket } from 'node:net'
import { HANDOVER_MS, HANDOVERS } from '../limits.js'
import { duplicate, type OwnedFd } from '../sys/owned-fd.js'
import type { Handover, Role } from './control.js'
import { StartFailure } from './outputs.js'
import type { Handing } from './serving.js'

export const nodeChannel: Handing = {
  /**
   * Sends a copy of the socket again and again until one has arrived: Node silently drops a handle if the receiver has
   * no descriptor left. `keepOpen` keeps Node from sending it again itself: the handle would be wrapped twice and
   * acknowledged twice, which is an assertion that ends this process (lib/internal/child_process.js,
   * `_pendingMessage`).
   */
  async give(id: number, role: Role, end: OwnedFd, arrived: () => Promise<true>): Promise<void> {
    for (let attempt = 0; attempt < HANDOVERS; attempt++) {
      const received = arrived()
      const copy = new Socket({
        fd: duplicate(end).release(),
        readable: true,
        writable: true,
        manualStart: true,
      } as object)
      process.send?.({ id, role } satisfies Handover, copy, { keepOpen: true })
      const first = await Promise.race([received, passed(HANDOVER_MS)])
      copy.destroy()
      if (first) return end.close()
    }
    throw new StartFailure(
      'sockets',
      "Vitest's process takes no descriptor: has it reached its limit of open files (ulimit -n)?",
    )
  },
}

function passed(milliseconds: number): Promise<false> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, false))
}
