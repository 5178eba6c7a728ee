/**
 * What is still to do when this process ends while workers are alive: process.exit() after a second Ctrl-C, or a signal
 * whose default action nobody replaces. The kernel ends the workers; their temporary directories are ours.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const duties = new Set<() => void>()

function all(): void {
  for (const duty of duties) duty()
  duties.clear()
}

function signalled(signal: NodeJS.Signals): void {
  // Somebody else answers this signal, and stops the workers in the end, or calls process.exit().
  if (process.listenerCount(signal) > 1) return
  all()
  process.off(signal, signalled)
  process.kill(process.pid, signal)
}

/** `duty` runs, synchronously, should the process end before the returned function was called. */
export function atParentEnd(duty: () => void): () => void {
  if (duties.size === 0) {
    // First: Vitest 3 listens as well, and leaves the process from there.
    process.prependListener('exit', all)
    for (const signal of SIGNALS) process.on(signal, signalled)
  }
  duties.add(duty)
  return () => {
    duties.delete(duty)
    if (duties.size > 0) return
    process.off('exit', all)
    for (const signal of SIGNALS) process.off(signal, signalled)
  }
}
